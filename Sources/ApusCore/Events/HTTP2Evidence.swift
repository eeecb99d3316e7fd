/// What shows that HTTP/2 does not work on a way, although ALPN chose it.
public enum HTTP2Evidence: String, Sendable, Hashable, Codable, CaseIterable {
    /// The peer answered the preface with an HTTP/1 status line, so it understood nothing of what
    /// was sent. This alone is enough.
    case spokeHTTP1
    /// A stream was reset before its head, with PROTOCOL_ERROR or INTERNAL_ERROR.
    case streamReset
    /// A new connection ended without a word before its first head.
    case endedAtOnce
    /// A new connection got GOAWAY with PROTOCOL_ERROR before its first head.
    case refusedAtOnce
    /// No head came in the time of the request, though the peer answered a PING meanwhile.
    case silentStream
}
