package import Apus

/// What the head of a response means for a reconnecting event stream (HTML standard, 9.2.2).
package enum EventStreamAnswer {
    /// An event stream follows.
    case stream
    /// The server asks the client not to connect again (204).
    case end
    /// The response is no event stream, and the client does not connect again.
    case refusal(EventSourceError)

    package init(_ head: HTTPResponse) {
        switch head.status.code {
        case 200:
            let type = head.headerFields[.contentType]
            self = Self.isEventStream(type) ? .stream : .refusal(.contentType(type))
        case 204: self = .end
        default: self = .refusal(.status(head))
        }
    }

    /// Whether a Content-Type names an event stream, whatever its parameters.
    private static func isEventStream(_ type: String?) -> Bool {
        guard let type else { return false }
        let essence = type.utf8.prefix { $0 != UInt8(ascii: ";") }
        let isBlank = { (byte: UInt8) in
            byte == 0x20 || (0x09...0x0D).contains(byte) && byte != 0x0B
        }
        let name = essence.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
        return name.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
            .elementsEqual("text/event-stream".utf8)
    }
}
