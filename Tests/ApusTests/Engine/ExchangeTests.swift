import Apus
import Loopback
import Testing

/// Ordinary requests, each over every way.
@Suite(.timeLimit(.minutes(5))) struct ExchangeTests {
    @Test(arguments: ProtocolVariant.allCases, [0, 1, 1024, 65_536, 1 << 20])
    func bodiesOfEverySizeArriveWhole(_ variant: ProtocolVariant, _ size: Int) async throws {
        try await withStand(variant) { stand in
            let response = try await stand.get("/bytes/\(size)")
            #expect(response.status == .ok)
            #expect(response.version == (variant.isHTTP2 ? .http2 : .http1))
            #expect(try await checkPattern(response.body) == size)
            #expect(response.head.headerFields[.contentLength] == "\(size)")
        }
    }

    @Test(arguments: ProtocolVariant.allCases, [1, 1024, 65_536, 4 << 20])
    func bodiesComeBackFromTheEcho(_ variant: ProtocolVariant, _ size: Int) async throws {
        try await withStand(variant) { stand in
            let body = Bytes(BodyPattern.bytes(size))
            let response = try await stand.client.send(
                .post(stand.url("/echo")), body: .bytes(body))
            #expect(try await checkPattern(response.body) == size)
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func streamedBodiesOfUnknownLengthArriveWhole(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let pieces = (0..<200).map { index in
                Bytes(BodyPattern.bytes(5_000, from: index * 5_000))
            }
            let body = RequestBody.stream { Pieces(pieces) }
            let response = try await stand.client.send(.post(stand.url("/echo")), body: body)
            #expect(try await checkPattern(response.body) == 1_000_000)
        }
    }

    @Test(arguments: ProtocolVariant.allCases, [4_999, 5_001])
    func aBodyThatBelongsToAnotherLengthIsRefused(_ variant: ProtocolVariant, _ declared: UInt64)
        async throws
    {
        try await withStand(variant) { stand in
            let piece = Bytes(BodyPattern.bytes(5_000))
            let error = await transportError {
                let body = RequestBody.stream(length: declared) { Pieces([piece]) }
                let response = try await stand.client.send(.post(stand.url("/sink")), body: body)
                _ = try await response.body.collect(upTo: 1000)
            }
            #expect(error?.kind.name == "invalidRequest")
            let next = try await stand.get("/")
            #expect(next.status == .ok)
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func headHasNoBody(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let request = try HTTPRequest(.head, url: stand.url("/bytes/1000"))
            let response = try await stand.client.send(request)
            #expect(response.head.headerFields[.contentLength] == "1000")
            #expect(try await response.body.collect(upTo: 1).isEmpty)
            #expect(try await checkPattern(stand.get("/bytes/10").body) == 10)
            #expect(stand.server.counters.connectionsAccepted == 1)
        }
    }

    @Test(arguments: ProtocolVariant.allCases, [204, 304, 404, 500])
    func statusesComeAsTheyAre(_ variant: ProtocolVariant, _ status: Int) async throws {
        try await withStand(variant) { stand in
            let response = try await stand.get("/status/\(status)")
            #expect(response.status.code == status)
            let body = try await response.body.collect(upTo: 4096)
            #expect(body.isEmpty == (status == 204 || status == 304))
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func trailersFollowTheBody(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let response = try await stand.get("/trailers")
            #expect(response.body.trailers == nil)
            let body = try await response.body.collect(upTo: 1 << 20)
            #expect(!body.isEmpty)
            let count = try #require(HTTPField.Name("x-count"))
            #expect(response.body.trailers?[count] != nil)
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func informationalResponsesAreKept(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let response = try await stand.get("/informational?n=2")
            #expect(response.informational.map(\.status.code) == [103, 103])
            #expect(response.status == .ok)
        }
    }

    /// R24.
    @Test func fieldsKeepOrderAndCaseOnHTTP1() async throws {
        try await withStand(.http1) { stand in
            var request = try HTTPRequest.get(stand.url("/headers"))
            for (name, value) in [("X-One", "1"), ("x-two", "2"), ("X-One", "3")] {
                request.headerFields.append(
                    HTTPField(name: try #require(HTTPField.Name(name)), value: value))
            }
            let text = String(try await stand.client.send(request).body.collect(upTo: 4096))
            #expect(
                text.contains("X-One: 1\r\nx-two: 2\r\nX-One: 3")
                    || text.contains("X-One: 1\nx-two: 2\nX-One: 3"))
            #expect(!text.lowercased().contains("user-agent"))
            #expect(!text.lowercased().contains("connection"))
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func aHundredAtOnceEachGetTheirOwnBody(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<100 {
                    group.addTask {
                        let response = try await stand.get("/bytes/\(1000 + index)")
                        #expect(try await checkPattern(response.body) == 1000 + index)
                    }
                }
                try await group.waitForAll()
            }
            if variant.isHTTP2 { #expect(stand.server.counters.connectionsAccepted == 1) }
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func aThousandInARowShareOneConnection(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            for _ in 0..<1000 {
                let response = try await stand.get("/bytes/100")
                #expect(try await response.body.collect(upTo: 100).count == 100)
            }
            #expect(stand.server.counters.connectionsAccepted == 1)
            #expect(stand.server.counters.requests == 1000)
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func tasksOnTheLoopGetTheSame(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let task = Task(executorPreference: stand.engine.taskExecutor) {
                for index in 0..<100 {
                    let response = try await stand.get("/bytes/\(index * 100)")
                    #expect(try await checkPattern(response.body) == index * 100)
                }
            }
            try await task.value
            #expect(stand.server.counters.connectionsAccepted == 1)
        }
    }
}

/// A producer of pieces at hand.
struct Pieces: AsyncSequence, Sendable {
    typealias Element = Bytes
    typealias Failure = any Error
    let pieces: [Bytes]

    init(_ pieces: [Bytes]) {
        self.pieces = pieces
    }

    struct Iterator: AsyncIteratorProtocol {
        var rest: ArraySlice<Bytes>

        mutating func next() async throws -> Bytes? { rest.popFirst() }
    }

    func makeAsyncIterator() -> Iterator { Iterator(rest: pieces[...]) }
}
