/// How a response broke HTTP/2, so that its stream was reset.
///
/// Sections are those of RFC 9113, unless another document is named.
package enum HTTP2Breach: Sendable, Hashable, CustomStringConvertible {
    /// A field has a name or value that HTTP/2 forbids, or belongs to one HTTP/1 connection
    /// (section 8.2).
    case invalidField
    /// Pseudo-header fields are missing, late or repeated, or a section is out of place (sections
    /// 8.1 and 8.3).
    case invalidMessage
    /// A field name is not a token (RFC 9110, section 5.1).
    case invalidFieldName
    /// A trailer section has Content-Length (RFC 9110, section 6.5.1).
    case lengthInTrailers
    /// A status code is below 100 (RFC 9110, section 15).
    case status(Int)
    /// The body is longer or shorter than Content-Length says (section 8.1.1).
    case bodyLength
    /// DATA exceeds the stream's window (section 6.9.1).
    case windowExceeded
    /// A frame breaks the rules of flow control (section 6.9).
    case flowControl
    /// A frame breaks another rule, as nghttp2's code says.
    case frame(nghttp2Code: Int32)
    /// The stream was reset with this code for a reason that is not known (section 7).
    case unknown(code: UInt32)

    /// The breach as a clause; holds no byte that the peer sent.
    package var description: String {
        switch self {
        case .invalidField: "a field has a name or value that HTTP/2 forbids"
        case .invalidMessage: "the fields do not form a response"
        case .invalidFieldName: "a field name is not a token"
        case .lengthInTrailers: "a trailer section has Content-Length"
        case .status(let code): "the status code is \(code)"
        case .bodyLength: "the body's length differs from Content-Length"
        case .windowExceeded: "DATA exceeds the stream's window"
        case .flowControl: "a frame breaks flow control"
        case .frame(let code): "a frame is invalid: \(Nghttp2.text(code))"
        case .unknown(let code): "the stream was reset with error \(code)"
        }
    }
}

/// The bound of ours that a response exceeded, so that its stream was reset.
package enum HTTP2Excess: Sendable, Hashable, CustomStringConvertible {
    /// `limits.headBytes`, as MAX_HEADER_LIST_SIZE counts (RFC 9113, section 6.5.2).
    case fieldBytes(most: Int)
    /// `limits.headFields`.
    case fields(most: Int)
    /// `limits.informationalResponses`.
    case informationalResponses(most: Int)

    /// The excess as a noun phrase.
    package var description: String {
        switch self {
        case .fieldBytes(let most): "more than \(most) bytes of fields"
        case .fields(let most): "more than \(most) fields"
        case .informationalResponses(let most): "more than \(most) informational responses"
        }
    }
}

/// What a peer sends so much of, or reads so little of, that the connection ends.
package enum HTTP2Flood: Sendable, Hashable, CustomStringConvertible {
    /// DATA frames without data (`FrameCensus.maxEmptyData`).
    case emptyData
    /// Frames that move nothing (`FrameCensus.maxIdleFrames`).
    case idleFrames
    /// CONTINUATION frames in one section (`FrameCensus.maxContinuations`).
    case continuations
    /// PUSH_PROMISE frames (`FrameCensus.maxPushes`).
    case pushes
    /// GOAWAY frames (`FrameCensus.maxGoAways`).
    case goAways
    /// HEADERS on closed streams (`FrameCensus.maxStrayHeaders`).
    case strayHeaders
    /// Bytes of field sections on closed streams (`FrameCensus.maxStrayFieldBytes`).
    case strayFields
    /// PING frames (`FrameCensus.maxPings`).
    case pings
    /// SETTINGS frames (`FrameCensus.maxSettings`).
    case settings
    /// PING or SETTINGS frames whose answers are not read (nghttp2's own bound).
    case unansweredFrames
    /// Fields of one section (`FieldSection.bombFactor`).
    case fieldSection
    /// Frames of ours that the peer does not read (`HTTP2Session.maxQueuedFrames`).
    case unreadFrames

    /// The thing's name.
    package var description: String {
        switch self {
        case .emptyData: "empty DATA"
        case .idleFrames: "frames that move nothing"
        case .continuations: "CONTINUATION"
        case .pushes: "PUSH_PROMISE"
        case .goAways: "GOAWAY"
        case .strayHeaders: "HEADERS on closed streams"
        case .strayFields: "field sections on closed streams"
        case .pings: "PING"
        case .settings: "SETTINGS"
        case .unansweredFrames: "PING or SETTINGS"
        case .fieldSection: "field section"
        case .unreadFrames: "unread frames"
        }
    }

    /// What the peer did, as a sentence without its full stop.
    var sentence: String {
        switch self {
        case .unansweredFrames: "the peer does not read our answers to PING or SETTINGS"
        case .fieldSection: "a field section is four times its bound"
        case .unreadFrames: "the peer does not read what we send"
        default: "the peer floods the connection: \(self)"
        }
    }
}
