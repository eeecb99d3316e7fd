import CApusOpenSSL

/// Starts OpenSSL, unless the process has already; whatever uses it first calls this first.
///
/// Left to itself it would free its tables in `exit`, under threads that are still using them.
func startOpenSSL() {
    OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil)
}
