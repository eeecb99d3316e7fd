import CApusOpenSSL

/// Starts OpenSSL unless the process has started it; called before its first use.
///
/// Otherwise OpenSSL would free its tables in `exit`, while threads still use them.
func startOpenSSL() {
    OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil)
}
