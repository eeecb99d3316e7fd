import ApusCore
import ApusSocket

/// How far an HTTP/2 connection is.
enum HTTP2ConnectionState {
    /// Preface and SETTINGS wait for the first request, or for this timer. Exits: `.open`,
    /// `.draining`, `.ended`.
    case opening(LoopTimer)
    /// It takes exchanges. Exits: `.draining`, `.ended`.
    case open
    /// It takes no more, and ends with the last of those that it has; `isOpening` while preface and
    /// SETTINGS have not left. Exits: `.ended`.
    case draining(CloseReason, isOpening: Bool)
    /// The wire is closed. No exits.
    case ended
}
