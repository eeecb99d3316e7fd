import Apus
import ApusContent
import Synchronization
import Testing

@Suite struct ReadingAlongTests {
    static let words = ContentSamples.words

    /// What an observer got, as one text for each event.
    private final class Observations: Sendable {
        private let kept = Mutex<(bytes: [UInt8], events: [String])>(([], []))

        var bytes: Bytes { Bytes(kept.withLock { $0.bytes }) }
        var events: [String] { kept.withLock { $0.events } }

        func note(_ event: ReadAlong) {
            kept.withLock { kept in
                switch event {
                case .bytes(let bytes): kept.bytes += bytes.array
                case .end: kept.events.append("end")
                case .stopped(let error): kept.events.append(error.kind.rawValue)
                case .failed(let error): kept.events.append(error.kind.name)
                case .abandoned: kept.events.append("abandoned")
                }
            }
        }
    }

    private static func response(
        _ coding: String?, _ pieces: [Bytes], failure: TransportError? = nil
    ) -> Response {
        var head = HTTPResponse(status: .ok)
        head.headerFields[.contentEncoding] = coding
        head.headerFields[.contentLength] = "\(pieces.reduce(0) { $0 + $1.count })"
        return Response(
            head, body: ResponseBody(pieces, trailers: [.eTag: "1"], failure: failure))
    }

    @Test("R23: content is read along while it passes", arguments: ContentCoding.available)
    func contentIsReadAlongWhileItPasses(coding: ContentCoding) async throws {
        let packed = try ContentSamples.encoded(Self.words, coding)
        let observations = Observations()
        let inner = Self.response(coding.rawValue, packed.single)
        let response = inner.readingAlong { observations.note($0) }
        #expect(response.head == inner.head)
        #expect(try await response.body.collect(upTo: 4096) == packed)
        #expect(response.body.trailers == [.eTag: "1"])
        #expect(observations.bytes == Self.words)
        #expect(observations.events == ["end"])
    }

    @Test func contentWithoutACodingIsReadAlongAsItIs() async throws {
        let observations = Observations()
        let response = Self.response(nil, Self.words.cut(at: 9)).readingAlong {
            observations.note($0)
        }
        _ = try await response.body.collect(upTo: 4096)
        #expect(observations.bytes == Self.words)
        #expect(observations.events == ["end"])
    }

    /// What cannot be decoded passes all the same, to the last byte.
    @Test(
        "R23: a fault of the content ends the reading along only",
        arguments: [
            ("gzip", "garbage", "malformed"), ("zstd", "truncated", "truncated"),
            ("foo", "", "unavailable"), ("gzip, gzip, gzip, gzip, gzip", "", "tooLarge"),
            ("gzip", "limit", "tooLarge"),
        ])
    func aFaultEndsTheReadingAlongOnly(
        coding: String, fault: String, event: String
    ) async throws {
        let known = ContentCoding(name: coding) ?? .gzip
        var packed = try ContentSamples.encoded(Self.words, known)
        if fault == "garbage" { packed = packed + Bytes("garbage") }
        if fault == "truncated" { packed = packed.prefix(packed.count - 1) }
        let observations = Observations()
        let limits = ContentLimits(maxBytes: fault == "limit" ? 100 : nil)
        let response = Self.response(coding, packed.single).readingAlong(limits: limits) {
            observations.note($0)
        }
        #expect(try await response.body.collect(upTo: 4096) == packed)
        #expect(observations.events == [event])
        if fault == "limit" { #expect(observations.bytes == Self.words.prefix(100)) }
    }

    @Test func aFailedBodyIsReported() async throws {
        let packed = try ContentSamples.encoded(Self.words, .zstd)
        let observations = Observations()
        let failure = TransportError(.reset, phase: .body, message: "", replay: .responseStarted)
        let response = Self.response("zstd", [packed], failure: failure).readingAlong {
            observations.note($0)
        }
        let (bytes, error) = await response.body.readThrough()
        #expect(bytes == packed && error?.kind == .reset)
        #expect(observations.bytes == Self.words)
        #expect(observations.events == ["reset"])
    }

    /// The piece that the reader took last is decoded too, as where it ended at `[DONE]`.
    @Test func aDroppedBodyIsReportedAfterItsLastPiece() async throws {
        let events = (0..<4).map { Bytes("data: event \($0)\n\n") }
        let pieces = try ContentSamples.events(events, .gzip)
        let observations = Observations()
        do {
            let response = Self.response("gzip", pieces).readingAlong { observations.note($0) }
            let iterator = response.body.makeAsyncIterator()
            #expect(try await iterator.next() == pieces[0])
            #expect(observations.bytes.isEmpty)
            #expect(try await iterator.next() == pieces[1])
            #expect(observations.bytes == events[0])
        }
        #expect(observations.bytes == events[0] + events[1])
        #expect(observations.events == ["abandoned"])
    }
}
