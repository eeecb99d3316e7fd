/// How an HTTP proxy's challenge (407) is answered: at most once for each tunnel or request, so
/// never in a loop.
///
/// A forwarded request is sent again with the answer if its body can be made again or was not begun
/// (`Expect: 100-continue`). A 407 that is not answered is the request's response.
public enum ProxyAuthentication: Sendable, Hashable {
    /// Credentials are sent with the first request, and a 407 is final (RFC 7617, section 2.2).
    case atOnce
    /// Credentials are sent only after a 407 that offers the Basic scheme.
    ///
    /// Requests forwarded after the first such 407 carry them at once.
    case whenAsked
    /// This callback answers each 407.
    case answering(ProxyAuthenticator)
}
