package import HTTPTypes

/// Whether a response is a stream of server-sent events.
extension HTTPFields {
    /// Whether Content-Type names an event stream, whatever its parameters (HTML standard, 9.2.2).
    package var isEventStream: Bool {
        guard let type = self[.contentType] else { return false }
        let essence = type.utf8.prefix { $0 != UInt8(ascii: ";") }
        let isBlank = { (byte: UInt8) in
            byte == 0x20 || (0x09...0x0D).contains(byte) && byte != 0x0B
        }
        let name = essence.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
        return name.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
            .elementsEqual("text/event-stream".utf8)
    }
}
