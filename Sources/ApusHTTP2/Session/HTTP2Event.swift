package import ApusCore
package import HTTPTypes

/// A stream's number on its connection (RFC 9113, section 5.1.1).
package typealias HTTP2StreamID = Int32

/// What happened to a stream or to the connection, in order.
///
/// A stream has any number of `.informational`; then `.head`, any number of `.body`, and
/// `.end`; or `.failed` in place of whatever was still to come. `.closed` is always the last. After
/// `reset(_:code:)` nothing but `.closed` follows. On a stream that CONNECT opened `.failed` may
/// also come after `.end`, while our side of it has not ended.
package enum HTTP2Event: Sendable {
    /// A 1xx answer before the final one.
    case informational(HTTP2StreamID, HTTPResponse)
    /// The final answer's head; `.end` follows at once when `endOfBody` is set.
    case head(HTTP2StreamID, HTTPResponse, endOfBody: Bool)
    /// A part of the body, never empty.
    case body(HTTP2StreamID, Bytes)
    /// The response is complete.
    case end(HTTP2StreamID, trailers: HTTPFields?)
    /// The response will never be complete.
    case failed(HTTP2StreamID, StreamFailure)
    /// The stream is gone on both sides and its slot is free.
    case closed(HTTP2StreamID)
    /// HEADERS of a request that had no whole body at hand have left; until then it may wait for a
    /// slot, and its body has no use.
    case requestSent(HTTP2StreamID)
    /// Every byte handed over for the stream has left: the producer may go on.
    case bodyDrained(HTTP2StreamID)
    /// The peer takes no new streams, and acts on none above `lastStreamID` (RFC 9113, section
    /// 6.8).
    ///
    /// Comes before the `.failed` of the streams it ends.
    case goAway(lastStreamID: HTTP2StreamID, code: UInt32, debug: String)
    /// How many streams may be open from now on; comes with the peer's first SETTINGS and with each
    /// change.
    case settingsChanged(maxStreams: Int)
    /// The answer to our PING.
    case pingAcknowledged
}

/// Why a response will never be complete.
package enum StreamFailure: Sendable, Hashable {
    /// The request's HEADERS never left: the connection took no more streams, the peer's limit left
    /// no room, or the transport took not a byte of them.
    case notSent
    /// The peer refused the stream before acting on it (REFUSED_STREAM; RFC 9113, section 8.7).
    case refused
    /// The stream lies above the last one that a GOAWAY with this code promises to act on.
    case aboveLastStreamID(goAwayCode: UInt32)
    /// The peer ended the stream with this code before its response was complete.
    case reset(code: UInt32)
    /// The response breaks HTTP (RFC 9113, section 8.1.1); the stream was reset.
    case malformed(HTTP2Breach)
    /// The response goes beyond a bound; the stream was reset.
    case tooLarge(HTTP2Excess)
    /// The request's trailers cannot be framed; the stream was reset.
    case trailersNotFramed
    /// The connection ended, by the peer's or by our own doing.
    case connectionLost

    /// Whether the request may be sent again, given whether a final head was seen.
    ///
    /// A peer that answered has acted, whatever it says afterwards.
    package func replay(responseStarted: Bool) -> TransportError.Replay {
        guard !responseStarted else { return .responseStarted }
        return switch self {
        case .notSent: .notSent
        case .refused, .aboveLastStreamID: .refusedByPeer
        // What wants HTTP/1.1 was not acted on over HTTP/2 (RFC 9113, section 7).
        case .reset(code: HTTP2ErrorCode.http11Required): .refusedByPeer
        case .reset, .malformed, .tooLarge, .trailersNotFramed, .connectionLost: .unknown
        }
    }
}
