// How much work it takes to derive the keys of a PKCS#12 store or a locked PEM key from a password.
// Rounds are those of a hash, whatever the method; nothing here does more of them than its limit.
#pragma once
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

/// The answer where an algorithm is not known, or its number is absurd.
static const long APUS_ROUNDS_UNKNOWN = -1;

static inline long apus_number(const ASN1_INTEGER *number) {
    long value = number == NULL ? 1 : ASN1_INTEGER_get(number);
    return value < 1 || value > 1L << 40 ? APUS_ROUNDS_UNKNOWN : value;
}

/// Sums that are unknown stay so.
static inline long apus_sum(long one, long other) {
    return one < 0 || other < 0 ? APUS_ROUNDS_UNKNOWN : one + other;
}

/// scrypt's work in rounds: four hash cores for each of its N * r * p blocks (RFC 7914).
static inline long apus_scrypt_rounds(const ASN1_TYPE *parameter) {
    SCRYPT_PARAMS *given = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), parameter);
    if (given == NULL) return APUS_ROUNDS_UNKNOWN;
    long n = apus_number(given->costParameter), r = apus_number(given->blockSize);
    long p = apus_number(given->parallelizationParameter);
    SCRYPT_PARAMS_free(given);
    const long most = 1L << 20;
    if (n < 0 || r < 0 || p < 0 || n > most || r > most || p > most) return APUS_ROUNDS_UNKNOWN;
    return 4 * n * r * p;
}

/// The rounds of a password-based algorithm: PBES2 (RFC 8018) or one of PKCS#12's own.
static inline long apus_pbe_rounds(const X509_ALGOR *algorithm) {
    const ASN1_OBJECT *name = NULL;
    const void *value = NULL;
    int type = 0;
    long rounds = APUS_ROUNDS_UNKNOWN;
    if (algorithm == NULL) return rounds;
    X509_ALGOR_get0(&name, &type, &value, algorithm);
    if (type != V_ASN1_SEQUENCE) return rounds;
    if (OBJ_obj2nid(name) != NID_pbes2) {
        PBEPARAM *own =
            ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), algorithm->parameter);
        if (own != NULL) rounds = apus_number(own->iter);
        PBEPARAM_free(own);
        return rounds;
    }
    PBE2PARAM *both = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter);
    if (both == NULL) return rounds;
    const ASN1_TYPE *parameter = both->keyfunc->parameter;
    switch (OBJ_obj2nid(both->keyfunc->algorithm)) {
    case NID_id_pbkdf2: {
        PBKDF2PARAM *given = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), parameter);
        if (given != NULL) rounds = apus_number(given->iter);
        PBKDF2PARAM_free(given);
        break;
    }
    case NID_id_scrypt: rounds = apus_scrypt_rounds(parameter); break;
    default: break;
    }
    PBE2PARAM_free(both);
    return rounds;
}

/// The rounds of the locked keys among bags, and in the bags within bags.
static inline long apus_bags_rounds(const STACK_OF(PKCS12_SAFEBAG) *bags, int depth) {
    long rounds = 0;
    if (bags == NULL) return rounds;
    if (depth > 8) return APUS_ROUNDS_UNKNOWN;
    for (int index = 0; index < sk_PKCS12_SAFEBAG_num(bags); index++) {
        PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, index);
        long more = 0;
        if (PKCS12_SAFEBAG_get_nid(bag) == NID_pkcs8ShroudedKeyBag) {
            const X509_ALGOR *algorithm = NULL;
            X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &algorithm, NULL);
            more = apus_pbe_rounds(algorithm);
        } else if (PKCS12_SAFEBAG_get_nid(bag) == NID_safeContentsBag) {
            more = apus_bags_rounds(PKCS12_SAFEBAG_get0_safes(bag), depth + 1);
        }
        rounds = apus_sum(rounds, more);
    }
    return rounds;
}

/// The rounds of one part of a store; an encrypted one is opened if that is within the limit.
static inline long apus_part_rounds(PKCS7 *part, const char *password, long limit) {
    int kind = OBJ_obj2nid(part->type);
    STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    long rounds = 0;
    if (kind == NID_pkcs7_data) {
        bags = PKCS12_unpack_p7data(part);
    } else if (kind == NID_pkcs7_encrypted) {
        if (part->d.encrypted == NULL) return APUS_ROUNDS_UNKNOWN;
        rounds = apus_pbe_rounds(part->d.encrypted->enc_data->algorithm);
        if (rounds < 0 || rounds > limit) return rounds;
        bags = PKCS12_unpack_p7encdata(part, password, -1);
    }
    rounds = apus_sum(rounds, apus_bags_rounds(bags, 0));
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    return rounds;
}

/// The rounds of a store, its digest's among them; more than the limit, or unknown, as soon as that
/// is certain.
static inline long apus_pkcs12_rounds(const PKCS12 *store, const char *password, long limit) {
    const ASN1_INTEGER *digest = NULL;
    long rounds = 0;
    PKCS12_get0_mac(NULL, NULL, NULL, &digest, store);
    if (PKCS12_mac_present(store)) rounds = apus_number(digest);
    STACK_OF(PKCS7) *parts = PKCS12_unpack_authsafes(store);
    for (int index = 0; index < sk_PKCS7_num(parts) && rounds >= 0 && rounds <= limit; index++) {
        rounds = apus_sum(
            rounds,
            apus_part_rounds(sk_PKCS7_value(parts, index), password, limit - rounds));
    }
    sk_PKCS7_pop_free(parts, PKCS7_free);
    return rounds;
}

/// The rounds of the first key of a PEM text that is locked in the way of PKCS#8; 0 without one.
///
/// The reader is back at its beginning afterwards.
static inline long apus_pem_key_rounds(BIO *reader) {
    char *name = NULL, *head = NULL;
    unsigned char *bytes = NULL;
    long count = 0, rounds = 0;
    int is_found = 0;
    while (!is_found && PEM_read_bio(reader, &name, &head, &bytes, &count) == 1) {
        is_found = strcmp(name, PEM_STRING_PKCS8) == 0;
        if (is_found) {
            const unsigned char *start = bytes;
            const X509_ALGOR *algorithm = NULL;
            X509_SIG *locked = d2i_X509_SIG(NULL, &start, count);
            if (locked != NULL) X509_SIG_get0(locked, &algorithm, NULL);
            rounds = apus_pbe_rounds(algorithm);
            X509_SIG_free(locked);
        }
        OPENSSL_free(name);
        OPENSSL_free(head);
        OPENSSL_free(bytes);
    }
    (void)BIO_reset(reader);
    ERR_clear_error();
    return rounds;
}
