// OpenSSL's headers, and inline functions for those of its macros that Swift cannot import.
#pragma once
#include <errno.h>
#include <string.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include "key_rounds.h"

static const uint64_t APUS_SSL_OP_NO_RENEGOTIATION = SSL_OP_NO_RENEGOTIATION;
static const uint64_t APUS_SSL_OP_NO_TICKET = SSL_OP_NO_TICKET;
static const uint64_t APUS_SSL_OP_NO_COMPRESSION = SSL_OP_NO_COMPRESSION;
static const uint64_t APUS_SSL_OP_IGNORE_UNEXPECTED_EOF = SSL_OP_IGNORE_UNEXPECTED_EOF;
static const uint64_t APUS_SSL_OP_LEGACY_SERVER_CONNECT = SSL_OP_LEGACY_SERVER_CONNECT;
static const unsigned long APUS_XN_FLAG_RFC2253 = XN_FLAG_RFC2253;

static inline void apus_ssl_ctx_set_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_mode(context, mode);
}

static inline long apus_ssl_ctx_set_min_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version);
}

static inline long apus_ssl_ctx_set_max_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_max_proto_version(context, version);
}

static inline long apus_ssl_ctx_set_groups(SSL_CTX *context, const char *list) {
    return SSL_CTX_set1_groups_list(context, list);
}

static inline void apus_ssl_ctx_set_session_cache_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_session_cache_mode(context, mode);
}

static inline long apus_ssl_set_host_name(SSL *ssl, const char *name) {
    return SSL_set_tlsext_host_name(ssl, name);
}

static inline long apus_bio_pending_bytes(BIO *bio, char **bytes) {
    return BIO_get_mem_data(bio, bytes);
}

/// The handshake stops at the peer's certificate, and asks again when it goes on.
static inline int apus_ssl_set_retry_verify(SSL *ssl) { return SSL_set_retry_verify(ssl); }

static inline int apus_x509_count(const STACK_OF(X509) *chain) { return sk_X509_num(chain); }

static inline X509 *apus_x509_at(const STACK_OF(X509) *chain, int index) {
    return sk_X509_value(chain, index);
}

static inline void apus_x509_free_all(STACK_OF(X509) *chain) { sk_X509_pop_free(chain, X509_free); }

static inline long apus_ssl_ctx_add_chain_certificate(SSL_CTX *context, X509 *certificate) {
    return SSL_CTX_add1_chain_cert(context, certificate);
}

/// The `errno` of the oldest error in the queue, if it says that something has run out; else 0.
static inline int apus_exhausted(void) {
    unsigned long code = ERR_peek_error();
    if (ERR_GET_LIB(code) != ERR_LIB_SYS) return 0;
    switch (ERR_GET_REASON(code)) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS: return ERR_GET_REASON(code);
    default: return 0;
    }
}

/// Adds the certificates and revocation lists of a PEM file, which no child process inherits.
///
/// Returns 0 when the file cannot be read; the queue says why.
static inline int apus_store_add_file(X509_STORE *store, const char *path) {
    BIO *file = BIO_new_file(path, "rbe");
    if (file == NULL) return 0;
    STACK_OF(X509_INFO) *list = PEM_X509_INFO_read_bio(file, NULL, NULL, (void *)"");
    BIO_free(file);
    for (int index = 0; index < sk_X509_INFO_num(list); index++) {
        X509_INFO *entry = sk_X509_INFO_value(list, index);
        if (entry->x509 != NULL) X509_STORE_add_cert(store, entry->x509);
        if (entry->crl != NULL) X509_STORE_add_crl(store, entry->crl);
    }
    sk_X509_INFO_pop_free(list, X509_INFO_free);
    return list != NULL;
}

static inline int apus_pem_is_end(void) {
    unsigned long code = ERR_peek_last_error();
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}
