/// What went wrong with a proxy, in a dial through it or later.
///
/// The first three show that the proxy itself fails, to every target. The next three may also be
/// the fault of what the proxy was asked for, and count against it for that target alone. The
/// others never make a proxy `failing`: one that answers works.
public enum ProxyFailure: String, Sendable, Hashable, Codable, CaseIterable {
    /// TCP could not connect to the proxy: it refused, or no route leads to it.
    case unreachable
    /// TCP or TLS with the proxy was not established in time.
    case connectTimeout
    /// The TLS handshake with the proxy failed; a certificate that was refused here is no failure
    /// of the proxy.
    case tlsFailed
    /// The proxy ended the connection during the CONNECT or SOCKS handshake, or broke its protocol.
    case brokenOff
    /// The proxy did not answer the CONNECT or SOCKS handshake in time.
    case silent
    /// The proxy opened a tunnel and ended it before any byte came through it.
    case openedThenClosed
    /// The proxy refused the credentials: 407, or a SOCKS answer that says so.
    case credentialsRefused
    /// The proxy answered with any other status than 2xx, or with a SOCKS error code.
    case targetRefused
    /// A connection through the proxy ended while it carried an exchange; its cause may be the
    /// origin.
    case cut
}
