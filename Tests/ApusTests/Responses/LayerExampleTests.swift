import Apus
import LoopFixtures
import Loopback
import Testing

/// The layer of the guide `WritingALayer.md`, word for word, at work.
@Suite(.timeLimit(.minutes(5))) struct LayerExampleTests {
    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func theLayerOfTheGuideCounts(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let counts = Guarded<[Int]>([])
            let layer = Counting(transport: stand.client) { count in
                counts.withLock { $0.append(count) }
            }
            let response = try await layer.send(.get(stand.url("/bytes/1000000")))
            #expect(try await checkPattern(response.body) == 1_000_000)
            do {
                let dropped = try await layer.send(.get(stand.url("/endless")))
                _ = try await dropped.body.makeAsyncIterator().next()
            }
            let last = counts.withLock { $0 }
            #expect(last.count == 2 && last.first == 1_000_000)
        }
    }
}

struct Counting: HTTPTransport {
    let transport: any HTTPTransport
    let report: @Sendable (Int) -> Void

    func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        let response = try await transport.send(request, body: body, options: options)
        let counted = ResponseBody(transforming: response.body, by: CountingStage(report))
        return response.replacing(body: counted)
    }
}

struct CountingStage: BodyTransform {
    private let report: @Sendable (Int) -> Void
    private var count = 0
    private var waiting: Bytes?

    init(_ report: @escaping @Sendable (Int) -> Void) { self.report = report }

    mutating func bytesReceived(_ piece: Bytes) {
        count += piece.count
        waiting = piece
    }

    mutating func nextOutput() -> Bytes? {
        defer { waiting = nil }
        return waiting
    }

    mutating func bodyEnded() { report(count) }
    mutating func bodyFailed(_ error: TransportError) { report(count) }
    mutating func bodyAbandoned() { report(count) }
}
