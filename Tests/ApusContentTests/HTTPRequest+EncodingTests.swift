import Apus
import ApusContent
import Foundation
import Loopback
import Testing

@Suite(.timeLimit(.minutes(5))) struct RequestEncodingTests {
    static let codings = [ContentCoding.gzip, .deflate, .zstd]
    static let body = ContentSamples.noise(150_000)

    private static func pieces() -> AsyncStream<Bytes> {
        AsyncStream { stream in
            for start in stride(from: 0, to: body.count, by: 10_000) {
                stream.yield(body.slice(start..<start + 10_000))
            }
            stream.finish()
        }
    }

    /// Sends an encoded body to a server that sends it back, and decodes that.
    private static func echoed(
        _ body: RequestBody, by coding: ContentCoding, times: Int = 1
    ) async throws -> [[UInt8]] {
        let server = try LoopbackServer()
        let engine = try TransportEngine(.executor)
        var request = try HTTPRequest.post("http://127.0.0.1:\(server.port)/echo")
        request.headerFields[.contentLength] = "7"
        let encoded = try request.encode(body, by: coding)
        #expect(request.headerFields[.contentEncoding] == coding.rawValue)
        #expect(request.headerFields[.contentLength] == nil)
        var results: [[UInt8]] = []
        for _ in 0..<times {
            let response = try await engine.send(request, body: encoded)
            let echo = try await response.body.collect(upTo: 1_000_000)
            let outcome = ContentSamples.decode(echo, [coding])
            #expect(outcome.error == nil)
            results.append(outcome.output)
        }
        await engine.shutdown()
        server.stop()
        return results
    }

    @Test("R23: a body in memory is encoded and has a length", arguments: codings)
    func aBodyInMemoryIsEncoded(coding: ContentCoding) async throws {
        var request = try HTTPRequest.post("https://api.example/")
        let words = RequestBody.segments(ContentSamples.words.cut(at: 100))
        let encoded = try request.encode(words, by: coding)
        let length = try ContentSamples.encoded(ContentSamples.words, coding).count
        #expect(encoded.length.map { Int($0) } ?? 0 <= length + 8)
        #expect(encoded.isReplayable)
        let results = try await Self.echoed(.bytes(Self.body), by: coding)
        #expect(results == [Self.body.array])
    }

    /// Made and encoded anew for each try.
    @Test("R23: a stream is encoded anew for each try", arguments: codings)
    func aStreamIsEncodedAnewForEachTry(coding: ContentCoding) async throws {
        let stream = RequestBody.stream(length: UInt64(Self.body.count)) { Self.pieces() }
        var request = try HTTPRequest.post("https://api.example/")
        let encoded = try request.encode(stream, by: coding)
        #expect(encoded.length == nil)
        #expect(encoded.isReplayable)
        let results = try await Self.echoed(stream, by: coding, times: 2)
        #expect(results == [Self.body.array, Self.body.array])
    }

    @Test func aOneShotStreamStaysOne() async throws {
        let stream = RequestBody.oneShot { Self.pieces() }
        var request = try HTTPRequest.post("https://api.example/")
        #expect(try !request.encode(stream, by: .gzip).isReplayable)
        #expect(try await Self.echoed(stream, by: .gzip) == [Self.body.array])
    }

    @Test func aFileIsEncodedAsItIsSent() async throws {
        let path = FileManager.default.temporaryDirectory
            .appendingPathComponent("apus-encoding-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(Self.body).write(to: URL(fileURLWithPath: path))
        let file = RequestBody.file(path: path, length: UInt64(Self.body.count))
        #expect(try await Self.echoed(file, by: .zstd) == [Self.body.array])
        for length in [1, Self.body.count - 1, Self.body.count + 1] {
            let error = await #expect(throws: TransportError.self) {
                _ = try await Self.echoed(
                    .file(path: path, length: UInt64(length)), by: .zstd)
            }
            #expect(error?.kind == .producerFailed)
        }
    }

    @Test func codingsOfTheCallerComeFirst() throws {
        var request = try HTTPRequest.post(
            "https://api.example/", fields: [.contentEncoding: "foo"])
        _ = try request.encode(.bytes(Bytes("a")), by: .gzip)
        #expect(request.headerFields[values: .contentEncoding] == ["foo, gzip"])
    }

    @Test func anEmptyBodyIsLeftAsItIs() throws {
        var request = try HTTPRequest.post("https://api.example/")
        let body = try request.encode(.empty, by: .gzip)
        #expect(body.length == 0)
        #expect(request.headerFields.isEmpty)
    }

    @Test func brotliIsRefused() throws {
        var request = try HTTPRequest.post("https://api.example/")
        let error = #expect(throws: TransportError.self) {
            try request.encode(.bytes(Bytes("a")), by: .brotli)
        }
        #expect(error?.invalidRequest?.field == "content-encoding")
        #expect(error?.message == "content-encoding: br has no codec in this build")
        #expect(request.headerFields.isEmpty)
    }

    @Test func trailersAreKept() throws {
        var request = try HTTPRequest.post("https://api.example/")
        let body = RequestBody.bytes(Bytes("a")).withTrailers(named: [.eTag]) { [.eTag: "1"] }
        let encoded = try request.encode(body, by: .gzip)
        #expect(encoded.trailerNames == [.eTag])
        #expect(encoded.trailers?() == [.eTag: "1"])
    }

    /// Each piece can be decoded before the next one is made.
    @Test func piecesAreFlushedOnRequest() async throws {
        let server = try LoopbackServer()
        let engine = try TransportEngine(.executor)
        var request = try HTTPRequest.post("http://127.0.0.1:\(server.port)/echo")
        let (stream, producer) = AsyncStream.makeStream(of: Bytes.self)
        let encoded = try request.encode(
            .oneShot { stream }, by: .zstd, flushesPieces: true)
        producer.yield(Bytes("piece 0"))
        let response = try await engine.send(request, body: encoded)
        var decoder = try ContentDecoder([.zstd])
        let iterator = response.body.makeAsyncIterator()
        for number in 0..<5 {
            let expected = Bytes("piece \(number)")
            var output: [UInt8] = []
            while output.count < expected.count {
                decoder.bytesReceived(try await iterator.next() ?? .empty)
                while let bytes = try decoder.nextOutput() { output += bytes.array }
            }
            #expect(output == expected.array)
            if number < 4 { producer.yield(Bytes("piece \(number + 1)")) }
        }
        producer.finish()
        while try await iterator.next() != nil {}
        await engine.shutdown()
        server.stop()
    }
}
