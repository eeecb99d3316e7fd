public import Apus

/// An event of an event stream, or a comment of it where those are requested.
public struct ServerSentEvent: Sendable, Hashable {
    /// What was received.
    public enum Kind: Sendable, Hashable {
        /// An event: a block of lines up to a blank line, with at least one `data` field.
        case event
        /// A comment: a line that begins with a colon, which servers send as a heartbeat.
        case comment
    }

    /// What was received.
    public var kind: Kind
    /// The type: the last `event` field of the block, or "message"; of a comment "".
    public var type: String
    /// The `data` fields of the block, joined by LF; of a comment everything after its colon.
    ///
    /// A field that lies in one piece of the stream is not copied, and then this value keeps the
    /// memory of that piece alive.
    public var data: Bytes
    /// The last `id` of the stream up to this event, "" for none; of a comment that of the event
    /// before it.
    public var lastEventID: String

    /// Creates an event, as for a stub.
    public init(
        kind: Kind = .event, type: String = "message", data: Bytes, lastEventID: String = ""
    ) {
        self.kind = kind
        self.type = type
        self.data = data
        self.lastEventID = lastEventID
    }

    /// The data as text: UTF-8, with U+FFFD for ill-formed parts.
    public var text: String { String(data) }
}
