package import Apus
package import ApusContent
import ApusEvents
import FoundationEssentials
import Synchronization

/// Tokens that an upstream counts for a request.
package struct Usage: Sendable, Hashable, Codable {
    package var input = 0
    package var output = 0

    package init() {}
}

/// Reads the usage figures of a response along, from an event stream or from a JSON document.
///
/// It gets the decoded content, whatever the coding, and keeps one event at a time.
package final class UsageReader: Sendable {
    /// The longest event or document that is read for figures.
    package static let maxLength = 1 << 20

    private let state: Mutex<State>

    package init(_ head: HTTPResponse) {
        let isEventStream =
            head.headerFields[.contentType]?.lowercased().hasPrefix("text/event-stream") == true
        state = Mutex(State(isEventStream: isEventStream))
    }

    /// The figures so far.
    package var usage: Usage { state.withLock(\.usage) }

    /// Takes what `Response.readingAlong` reports.
    package func observe(_ event: ReadAlong) {
        state.withLock { state in
            switch event {
            case .bytes(let bytes): state.bytesReceived(bytes)
            case .end: state.contentEnded()
            case .stopped, .failed, .abandoned: break
            }
        }
    }

    private struct State {
        var usage = Usage()
        let isEventStream: Bool
        var events = ServerSentEventParser(maxLength: UsageReader.maxLength)
        var document: [UInt8] = []
        /// Whether an event or the document is longer than the bound.
        var isTooLong = false

        init(isEventStream: Bool) {
            self.isEventStream = isEventStream
        }

        mutating func bytesReceived(_ bytes: Bytes) {
            guard isEventStream else {
                isTooLong = isTooLong || document.count + bytes.count > UsageReader.maxLength
                if !isTooLong { document.append(contentsOf: bytes) }
                return
            }
            guard !isTooLong else { return }
            events.bytesReceived(bytes)
            do throws(LengthExceeded) {
                while let event = try events.nextEvent() { read(event.data) }
            } catch {
                // It ends the reading along, never the stream.
                isTooLong = true
            }
        }

        mutating func contentEnded() {
            if !isEventStream, !isTooLong { read(Bytes(document)) }
        }

        private mutating func read(_ json: Bytes) {
            // Most events have no figures, and need not be decoded.
            guard json.contains(UsageReader.usageKey) else { return }
            guard let report = try? JSONDecoder().decode(Report.self, from: Data(json.array)) else {
                return
            }
            for figures in [report.usage, report.message?.usage].compactMap(\.self) {
                usage.input = figures.input ?? usage.input
                usage.output = figures.output ?? usage.output
            }
        }
    }

    private static let usageKey = Array(#""usage""#.utf8)

    /// Where the two families of APIs report their figures.
    private struct Report: Decodable {
        let usage: Figures?
        let message: Message?

        struct Message: Decodable {
            let usage: Figures?
        }
    }

    private struct Figures: Decodable {
        let input: Int?
        let output: Int?

        private enum Key: String, CodingKey {
            case input = "input_tokens"
            case output = "output_tokens"
            case prompt = "prompt_tokens"
            case completion = "completion_tokens"
        }

        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: Key.self)
            input =
                try fields.decodeIfPresent(Int.self, forKey: .input)
                ?? fields.decodeIfPresent(Int.self, forKey: .prompt)
            output =
                try fields.decodeIfPresent(Int.self, forKey: .output)
                ?? fields.decodeIfPresent(Int.self, forKey: .completion)
        }
    }
}
