/// How far the life of an HTTP/2 connection has come.
enum HTTP2SessionState {
    /// Takes new streams, unless the peer's GOAWAY or the last stream number forbids it. Exits: all
    /// others.
    case open
    /// Our GOAWAY is queued: no new streams, those open go on. Exits: `.condemned`, `.ended`,
    /// `.failed`.
    case shuttingDown
    /// nghttp2 has framed a GOAWAY for what the peer did. Exits: `.failed`, as soon as that frame
    /// is gathered.
    case condemned(HTTP2Error)
    /// The peer's bytes are at an end, and so is every stream. Exits: none.
    case ended
    /// A fault, or the caller, ended the connection; nghttp2 is not called any more. Exits: none.
    case failed(HTTP2Error)

    /// Whether bytes may still go to and come from nghttp2.
    var isRunning: Bool {
        switch self {
        case .open, .shuttingDown, .condemned: true
        case .ended, .failed: false
        }
    }
}

/// What the peer's GOAWAY frames have asked for (RFC 9113, section 6.8).
enum PeerGoAway {
    /// None has come. Exits: all others.
    case none
    /// The peer takes no new streams. Exits: `.calmDemanded`.
    case received
    /// One of them carried ENHANCE_YOUR_CALM: the peer takes no new connections for a while either.
    /// Exits: none.
    case calmDemanded
}

/// How far the exchange of SETTINGS has come; the peer's come first (RFC 9113, section 3.4).
enum SettingsExchange {
    /// Ours have been sent. Exits: `.received`.
    case sent
    /// The peer's have come. Exits: `.acknowledged`.
    case received
    /// The peer has acknowledged ours (RFC 9113, section 6.5.3). Exits: none.
    case acknowledged
}
