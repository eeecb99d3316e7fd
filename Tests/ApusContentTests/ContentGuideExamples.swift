import Apus
import ApusContent

/// The code of the guide `ApusContent.md`, word for word, so that it compiles.
///
/// `GuideTests` in ApusTidyTests compares. Nothing here is called.
private enum ContentGuideExamples {
    private protocol Usage: Sendable {
        func scan(_ bytes: Bytes)
        func finish()
        func giveUp(_ reason: String)
    }

    private protocol Client {
        func write(_ bytes: Bytes) async throws
    }

    private static func decoding(_ engine: TransportEngine, _ url: String) async throws -> Bytes {
        let transport = Decoding(engine)
        let response = try await transport.send(.get(url))
        let content = try await response.body.collect(upTo: 1 << 20)

        if let decoding = response.info.decoding {
            print(decoding.codings, decoding.contentLength ?? 0)
            print(decoding.encodedBytes, "->", decoding.decodedBytes)
            if !decoding.remaining.isEmpty { print("passed as it was sent:", decoding.remaining) }
        }
        return content
    }

    private static func limits(_ engine: TransportEngine) -> Decoding {
        let limits = ContentLimits(maxBytes: 64 * 1024 * 1024, maxRatio: 100)
        let careful = Decoding(engine, limits: limits)
        return careful
    }

    private static func readingAlong(
        _ response: Response, _ usage: some Usage, _ client: some Client
    ) async throws {
        let passed = response.readingAlong { event in
            switch event {
            case .bytes(let bytes): usage.scan(bytes)
            case .end, .abandoned: usage.finish()
            case .stopped(let error): usage.giveUp("\(error)")
            case .failed(let error): usage.giveUp("\(error)")
            }
        }
        for try await piece in passed.body { try await client.write(piece) }
    }

    private static func encoding(
        _ engine: TransportEngine, _ url: String, _ json: Bytes
    ) async throws -> Response {
        var request = try HTTPRequest.post(url)
        let body = try request.encode(.bytes(json), by: .zstd)
        let response = try await engine.send(request, body: body)
        return response
    }

    private static func codecs(_ piece: Bytes, _ use: (Bytes) -> Void) throws {
        var decoder = try ContentDecoder([.gzip])
        decoder.bytesReceived(piece)
        while let output = try decoder.nextOutput() { use(output) }
        decoder.contentEnded()
        while let output = try decoder.nextOutput() { use(output) }
    }
}
