package import Apus
import ApusContent

/// A transport that reports each request once, when it has ended: as a line of the access log, in
/// the metrics, and to the status page.
package struct AccessLog: HTTPTransport {
    private let upstream: String
    private let transport: any HTTPTransport
    private let journal: Journal

    package init(_ upstream: String, over transport: any HTTPTransport, to journal: Journal) {
        self.upstream = upstream
        self.transport = transport
        self.journal = journal
    }

    package func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Apus.Response {
        let entry = journal.begin(request, upstream)
        var options = options
        options.metadata = RequestMetadata(
            tag: "\(entry.number)", values: ["upstream": upstream])
        do throws(TransportError) {
            let response = try await transport.send(request, body: body, options: options)
            let usage = UsageReader(response.head)
            let watched = response.readingAlong(usage.observe)
            let meter = BodyMeter(response, usage, entry, journal)
            return watched.replacing(body: ResponseBody(transforming: watched.body, by: meter))
        } catch {
            journal.end(entry.failed(error))
            throw error
        }
    }
}

/// Counts the bytes of a response's body as they pass, and reports the end of the exchange.
private struct BodyMeter: BodyTransform {
    private let response: Apus.Response
    private let usage: UsageReader
    private let journal: Journal
    private var entry: JournalEntry
    private var piece: Bytes?

    init(_ response: Apus.Response, _ usage: UsageReader, _ entry: JournalEntry, _ journal: Journal)
    {
        self.response = response
        self.usage = usage
        self.entry = entry
        self.journal = journal
    }

    mutating func bytesReceived(_ piece: Bytes) {
        if entry.firstByte == nil { entry.firstByte = entry.elapsed }
        entry.bytesReceived += piece.count
        self.piece = piece
    }

    mutating func nextOutput() -> Bytes? { piece.take() }

    mutating func bodyEnded() { end() }

    mutating func bodyFailed(_ error: TransportError) {
        entry = entry.failed(error)
        end()
    }

    mutating func bodyAbandoned() {
        entry.outcome = .clientGone
        end()
    }

    private mutating func end() {
        entry.take(response.info)
        entry.status = response.status.code
        entry.usage = usage.usage
        journal.end(entry)
    }
}
