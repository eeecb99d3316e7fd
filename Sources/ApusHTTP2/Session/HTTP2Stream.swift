/// The part of a stream that nghttp2 does not keep: how far the response has come, and the body
/// that waits to leave.
final class HTTP2Stream {
    /// How far the response has come.
    enum Progress {
        /// Exits: `.body` at the final head, `.settled` by anything that fails or resets the
        /// stream.
        case awaitingHead
        /// The final head was delivered. Exits: `.settled`.
        case body
        /// `.end` or `.failed` was delivered, or we reset the stream; only `.closed` is still due.
        case settled
    }

    let id: HTTP2StreamID
    /// Whether CONNECT opened it: each side then ends for itself, and ours may outlive the peer's.
    let isDuplex: Bool
    @exclusivity(unchecked) var progress = Progress.awaitingHead
    /// Whether the request's HEADERS went out.
    @exclusivity(unchecked) var isSent = false
    /// Whether END_STREAM of ours was framed.
    @exclusivity(unchecked) var isEndSent = false
    /// Whether trailers were handed to nghttp2, or an end in their form: nothing follows them.
    @exclusivity(unchecked) var isEndSubmitted = false
    /// What the transport had taken in all by then.
    @exclusivity(unchecked) var takenBefore: UInt64 = 0
    /// Whether the peer's SETTINGS were known when they did: without them, a refusal may concern a
    /// limit that was unknown.
    @exclusivity(unchecked) var isWithinLimit = false
    /// The code of the peer's RST_STREAM.
    @exclusivity(unchecked) var peerResetCode: UInt32?
    /// What was wrong with a frame of the peer's on this stream.
    @exclusivity(unchecked) var complaint: HTTP2Breach?
    @exclusivity(unchecked) var informationalCount = 0
    /// Bytes of the body delivered and not yet reported as consumed: the most that may be credited.
    @exclusivity(unchecked) var unconsumedCount = 0
    /// How much the peer may send ahead of what is consumed.
    @exclusivity(unchecked) var window: Int
    /// Bytes of the body since the current or last measurement of a round trip began.
    @exclusivity(unchecked) var roundTripCount = 0
    @exclusivity(unchecked) var outgoing = OutgoingBody()

    init(id: HTTP2StreamID, isDuplex: Bool, window: Int) {
        self.id = id
        self.isDuplex = isDuplex
        self.window = window
    }
}
