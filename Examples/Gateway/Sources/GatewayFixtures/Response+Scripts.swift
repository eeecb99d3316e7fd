package import Apus
package import ApusContent
package import Hummingbird
import NIOCore

// Answers that scripts give.
extension Hummingbird.Response {
    /// An answer of a few bytes.
    package static func text(
        _ status: HTTPResponse.Status = .ok, _ text: String = "ok\n", fields: HTTPFields = [:]
    ) -> Hummingbird.Response {
        .init(status: status, headers: fields, body: .init(byteBuffer: ByteBuffer(string: text)))
    }

    /// An event stream.
    ///
    /// - Parameters:
    ///   - events: the data of each event.
    ///   - before: is awaited before each event, with its number; nothing by default.
    ///   - coding: the content coding; each event is flushed. None by default.
    package static func events(
        _ events: [String], coding: ContentCoding? = nil,
        before: @escaping @Sendable (Int) async throws -> Void = { _ in }
    ) -> Hummingbird.Response {
        var fields: HTTPFields = [.contentType: "text/event-stream"]
        if let coding { fields[.contentEncoding] = coding.rawValue }
        let body = Hummingbird.ResponseBody { writer in
            let encoder = try coding.map { try EventEncoder($0) }
            for (number, event) in events.enumerated() {
                try await before(number)
                let text = Bytes("data: \(event)\n\n")
                let piece = try encoder?.encode(text, isLast: number == events.count - 1) ?? text
                try await writer.write(ByteBuffer(bytes: piece))
            }
            try await writer.finish(nil)
        }
        return .init(status: .ok, headers: fields, body: body)
    }
}

/// Encodes events one by one.
private final class EventEncoder {
    private var encoder: ContentEncoder

    init(_ coding: ContentCoding) throws {
        encoder = try ContentEncoder(coding)
    }

    func encode(_ event: Bytes, isLast: Bool) throws -> Bytes {
        encoder.bytesReceived(event)
        if isLast { encoder.contentEnded() } else { encoder.flushRequested() }
        var encoded: [UInt8] = []
        while let piece = try encoder.nextOutput() { encoded += piece }
        return Bytes(encoded)
    }
}
