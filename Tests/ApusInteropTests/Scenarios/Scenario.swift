import Apus
import Testing

/// What is asked of a peer and seen in its answers: one row of the other table.
struct Scenario: Sendable, CustomTestStringConvertible {
    let name: String
    /// What it changes in the engine's numbers.
    let tuning: EngineTuning
    let run: @Sendable (Conversation) async throws -> Void

    var testDescription: String { name }

    init(
        _ name: String, tune: (inout EngineTuning) -> Void = { _ in },
        _ run: @escaping @Sendable (Conversation) async throws -> Void
    ) {
        self.name = name
        self.run = run
        var tuning = EngineTuning.patient
        tune(&tuning)
        self.tuning = tuning
    }

    /// Plays the scenario with one peer.
    func play(with peer: Peer) async throws {
        try await Conversation.with(peer, tuning: tuning, run)
    }

    /// What every server is held against.
    static let common = files + [head, notFound, unmodifiedSince] + connections

    /// Files of each size, streamed.
    static let files = [
        Scenario("GET of an empty file") { try await $0.expect($0.files.empty) },
        Scenario("GET of 1 KiB") { try await $0.expect($0.files.small) },
        Scenario("GET of 1 MiB") { try await $0.expect($0.files.medium) },
        Scenario("GET of 100 MiB") { try await $0.expect($0.files.large) },
    ]

    static let head = Scenario("HEAD") { talk in
        let response = try await talk.send(.head, talk.files.medium.path)
        #expect(response.status == .ok)
        #expect(response.head.headerFields[.contentLength] == String(talk.files.medium.size))
        #expect(try await Digested(response.body).count == 0)
        // The announced length was not waited for: the connection goes on.
        #expect(try await talk.expect(talk.files.small).info.isReused)
    }

    static let notFound = Scenario("404") { talk in
        let response = try await talk.get("/no/such/file")
        #expect(response.status == .notFound)
        #expect(try await Digested(response.body).count > 0)
        #expect(try await talk.expect(talk.files.small).info.isReused)
    }

    static let unmodifiedSince = Scenario("304 for If-Modified-Since") { talk in
        let first = try await talk.expect(talk.files.small)
        let date = try #require(first.head.headerFields[.lastModified])
        try await expectNotModified(talk, [.ifModifiedSince: date])
    }

    static let sameEntityTag = Scenario("304 for If-None-Match") { talk in
        let first = try await talk.expect(talk.files.small)
        let tag = try #require(first.head.headerFields[.eTag])
        try await expectNotModified(talk, [.ifNoneMatch: tag])
    }

    static let noContent = Scenario("204") { talk in
        let response = try await talk.get("/no-content")
        #expect(response.status == .noContent)
        #expect(try await Digested(response.body).count == 0)
        #expect(try await talk.expect(talk.files.small).info.isReused)
    }

    static let range = Scenario("206 for a range") { talk in
        let whole = ServedFiles.pattern(talk.files.medium.size).flatMap { $0 }
        let response = try await talk.get(
            talk.files.medium.path, fields: [.range: "bytes=70000-199999"])
        #expect(response.status == .partialContent)
        #expect(response.head.headerFields[.contentRange] == "bytes 70000-199999/\(whole.count)")
        #expect(try await Digested(response.body) == Digested([Array(whole[70000..<200_000])]))
        let beyond = try await talk.get(
            talk.files.small.path, fields: [.range: "bytes=5000-6000"])
        #expect(beyond.status == .rangeNotSatisfiable)
    }

    /// What was compressed for us is handed over as it came, and says so.
    static let gzip = Scenario("gzip left as it is") { talk in
        let response = try await talk.get(
            talk.files.text.path, fields: [.acceptEncoding: "gzip"])
        #expect(response.head.headerFields[.contentEncoding] == "gzip")
        let body = try await response.body.collect(upTo: ServedFiles.mebibyte)
        #expect(body.count < talk.files.text.size)
        #expect(body.prefix(2) == Bytes([0x1F, 0x8B]))
        // Nothing is asked for unless the caller does.
        let plain = try await talk.expect(talk.files.text)
        #expect(plain.head.headerFields[.contentEncoding] == nil)
    }

    /// A body without a length: chunked in HTTP/1.1, and DATA frames up to END_STREAM in HTTP/2.
    static let unknownLength = Scenario("a body without a length") { talk in
        for count in [0, 1, 300_000] {
            let response = try await talk.get("/chunked/\(count)?chunk=1000")
            #expect(response.status == .ok)
            // A proxy that has met the end of an empty body may know its length: Caddy's says 0,
            // unless the timer of its flushes comes first.
            let length = response.head.headerFields[.contentLength]
            #expect(length == nil || count == 0 && length == "0")
            #expect(try await Digested(response.body) == Digested(ServedFiles.pattern(count)))
        }
    }

    /// nghttpd is configured to send one with each body.
    static let trailers = Scenario("trailers") { talk in
        let response = try await talk.expect(talk.files.medium)
        let name = try #require(HTTPField.Name("x-checked"))
        #expect(response.body.trailers?[name] == "yes")
    }

    /// Servers of which we say what they answer.
    static let trailersAfterHello = Scenario("trailers after a short body") { talk in
        let response = try await talk.get("/trailers")
        #expect(String(try await response.body.collect(upTo: 100)) == "hello")
        let name = try #require(HTTPField.Name("x-checked"))
        #expect(response.body.trailers?[name] == "yes")
    }

    private static func expectNotModified(
        _ talk: Conversation, _ fields: HTTPFields
    ) async throws {
        let response = try await talk.get(talk.files.small.path, fields: fields)
        #expect(response.status == .notModified)
        #expect(try await Digested(response.body).count == 0)
        #expect(response.info.isReused)
        #expect(try await talk.expect(talk.files.small).info.isReused)
    }
}
