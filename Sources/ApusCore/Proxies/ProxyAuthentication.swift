/// How an HTTP proxy that asks who we are (407) is answered; at most once for each tunnel or
/// request, so that there is never a loop.
///
/// A request that a proxy forwards is sent again for that, if its body can be made again or had not
/// begun to go out (`Expect: 100-continue`). A 407 that is not answered is the request's response.
public enum ProxyAuthentication: Sendable, Hashable {
    /// Credentials go out with the first request; a 407 is then the end (RFC 7617, section 2.2).
    case atOnce
    /// Credentials go out only after a 407 that asks for the Basic scheme.
    ///
    /// The requests that are forwarded after the one that was asked for them have them at once.
    case whenAsked
    /// This callback answers each 407.
    case answering(ProxyAuthenticator)
}
