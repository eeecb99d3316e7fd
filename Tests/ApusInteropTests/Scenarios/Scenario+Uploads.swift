import Apus
import Testing

// What is sent up, and counted or sent back.
extension Scenario {
    /// The length of an upload, as the server's upstream origin counted it.
    static let countedUploads = [64 * 1024, 16 * 1024 * 1024].map { count in
        Scenario("POST of \(count >> 10) KiB, counted") { talk in
            let response = try await talk.send(.post, "/sink", body: .pattern(count))
            #expect(response.status == .ok)
            #expect(String(try await response.body.collect(upTo: 100)) == "\(count)\n")
            let isReused = try await talk.expect(talk.files.small).info.isReused
            #expect(isReused, "\(talk.engine.snapshot().counters.closes)")
        }
    }

    /// Uploads that come back, compared by digest; each kind of body once.
    static let echoedUploads = [
        echo("bytes at hand, 64 KiB", { .pattern(64 * 1024) }, 64 * 1024),
        echo("a stream of known length", { .made(300_000, length: 300_000) }, 300_000),
        echo("a stream of unknown length", { .made(300_000, length: nil) }, 300_000),
    ]

    /// The same, for servers that answer while they still read.
    static let longEchoedUploads = [
        echo("bytes at hand, 16 MiB", { .pattern(16 * 1024 * 1024) }, 16 * 1024 * 1024),
        Scenario("POST of a file, echoed") { talk in
            let file = talk.files.medium
            let response = try await talk.send(.post, "/echo", body: talk.body(of: file))
            #expect(response.status == .ok)
            let body = try await Digested(response.body)
            #expect(body == Digested(count: file.size, digest: file.digest))
        },
    ]

    /// Long uploads that the server stores, and gives back when asked.
    static let storedUploads = [
        Scenario("PUT of 16 MiB, fetched again") { talk in
            try await store(.pattern(16 * 1024 * 1024), ServedFiles.pattern(16 * 1024 * 1024), talk)
        },
        Scenario("PUT of a file, fetched again") { talk in
            let file = talk.files.medium
            try await store(talk.body(of: file), ServedFiles.pattern(file.size), talk)
        },
    ]

    private static func store(
        _ body: RequestBody, _ pieces: [[UInt8]], _ talk: Conversation
    ) async throws {
        let path = "/uploads/\(talk.peer.portName)-\(pieces.count)"
        let stored = try await talk.send(.put, path, body: body)
        #expect(stored.status == .created)
        #expect(try await Digested(stored.body).count == 0)
        let response = try await talk.get(path)
        #expect(response.status == .ok)
        #expect(try await Digested(response.body) == Digested(pieces))
        #expect(response.info.isReused)
    }

    private static func echo(
        _ what: String, _ body: @escaping @Sendable () -> RequestBody, _ count: Int
    ) -> Scenario {
        Scenario("POST of \(what), echoed") { talk in
            let response = try await talk.send(.post, "/echo", body: body())
            #expect(response.status == .ok)
            #expect(try await Digested(response.body) == Digested(ServedFiles.pattern(count)))
        }
    }
}

extension Conversation {
    /// One of the served files, to be sent.
    fileprivate func body(of file: ServedFiles.File) -> RequestBody {
        .file(path: "\(files.folder)/\(file.name)", length: UInt64(file.size))
    }
}

extension RequestBody {
    /// So many bytes of the pattern, in pieces.
    fileprivate static func pattern(_ count: Int) -> RequestBody {
        .segments(ServedFiles.pattern(count).map { Bytes($0) })
    }

    /// The same from a producer.
    static func made(_ count: Int, length: UInt64?) -> RequestBody {
        .stream(length: length) { PatternStream(count: count) }
    }
}

/// The pattern, a piece at a time.
private struct PatternStream: AsyncSequence, Sendable {
    let count: Int

    func makeAsyncIterator() -> Iterator {
        Iterator(pieces: ServedFiles.pattern(count)[...])
    }

    struct Iterator: AsyncIteratorProtocol {
        var pieces: ArraySlice<[UInt8]>

        mutating func next() async throws(any Error) -> Bytes? {
            pieces.popFirst().map { Bytes($0) }
        }

        mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> Bytes?
        {
            try await next()
        }
    }
}
