/// A line, or the data of an event, is longer than its bound allows.
public struct LengthExceeded: Error, Sendable, Hashable, CustomStringConvertible {
    /// The part that is too long.
    public enum Part: String, Sendable, Hashable, Codable {
        /// A line, without its end.
        case line
        /// The data of one server-sent event, over all of its lines.
        case event
    }

    /// The part that is too long.
    public let part: Part
    /// The bound, in bytes.
    public let limit: Int

    /// Creates an error.
    public init(_ part: Part, limit: Int) {
        self.part = part
        self.limit = limit
    }

    /// The part and its bound, as in "a line is longer than 1024 bytes".
    public var description: String {
        switch part {
        case .line: "a line is longer than \(limit) bytes"
        case .event: "the data of an event is longer than \(limit) bytes"
        }
    }
}
