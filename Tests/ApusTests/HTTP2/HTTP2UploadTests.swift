import Apus
import Loopback
import Testing

/// Uploads in DATA frames longer than a TLS record, from end to end.
@Suite(.timeLimit(.minutes(5))) struct HTTP2UploadTests {
    /// More than the sockets of both ends hold while the peer reads nothing.
    private static let content = BodyPattern.bytes(12 << 20)

    /// A body of these bytes in one of its forms.
    enum Form: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case atHand, inPieces, produced

        var testDescription: String { rawValue }

        func body(_ content: [UInt8]) -> RequestBody {
            // Pieces longer than a frame, of a length that no frame has.
            let pieces = stride(from: 0, to: content.count, by: 100_003).map {
                Bytes(Array(content[$0..<min($0 + 100_003, content.count)]))
            }
            return switch self {
            case .atHand: .bytes(Bytes(content))
            case .inPieces: .segments(pieces)
            case .produced: .stream { Pieces(pieces) }
            }
        }
    }

    @Test(arguments: [ProtocolVariant.http2PriorKnowledge, .http2OverTLS], Form.allCases)
    func aLongUploadArrivesWholeThoughThePeerStopsReadingForAWhile(
        _ variant: ProtocolVariant, _ form: Form
    ) async throws {
        // However long the machine takes until the socket is full, the peer is not dead.
        var tuning = EngineTuning.executor
        tuning.http2.pingAfter = nil
        try await withStand(
            variant, tuning: tuning,
            configure: {
                $0.maxFrameSize = 1 << 20
                $0.initialStreamWindow = 16 << 20
            }
        ) { stand in
            // Its SETTINGS are known before the upload begins.
            _ = try await text(of: stand.get("/"))
            stand.server.stopReading()
            let body = form.body(Self.content)
            async let echo = stand.client.send(.post(stand.url("/echo")), body: body)
            // So that what is written is taken in part alone.
            try await fillSocket(connectedTo: stand.server.port)
            stand.server.goOnReading()
            let response = try await echo
            #expect(try await checkPattern(response.body) == Self.content.count)
            let longest = stand.server.counters.longestData
            #expect(longest > 16_384 && longest <= 65_536)
            #expect(form == .produced || longest == 65_536)
            #expect(stand.server.counters.connectionsAccepted == 1)
        }
    }

    // MARK: Ends and early answers

    private typealias Frames = HTTP2Frames

    /// What is left to send when the answer has come and no window is open.
    enum Rest: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case end, trailers, bytes

        var testDescription: String { rawValue }

        var body: RequestBody {
            switch self {
            case .end: .stream { Pieces([]) }
            case .trailers: RequestBody.stream { Pieces([]) }.withTrailers { [.eTag: "x"] }
            case .bytes: .stream { Pieces([Bytes("x")]) }
            }
        }
    }

    @Test(
        "a stream whose answer came first leaves its slot though no window is open",
        arguments: Rest.allCases, [false, true])
    func anEarlyAnswerLeavesNoSlotInUse(_ rest: Rest, isLowered: Bool) async throws {
        let zero = Frames.settings([(4, 0)])
        // Either window begins at 0 or it is lowered after the first answer.
        let first: [ScriptedPeer.Step] = [
            .send(isLowered ? Frames.settings() : zero), .request(1),
            .send(zero + Frames.answer(1)),
        ]
        let streams = (1...20).map { Int32($0) * 2 + 1 }
        let others = streams.flatMap { id -> [ScriptedPeer.Step] in
            [.request(id), .send(Frames.answer(id))]
        }
        var tuning = EngineTuning.default
        tuning.http2.maxConnectionsPerHost = 1
        tuning.http2.maxStreamsPerConnection = 10
        try await withHTTP2(first + others + [.readUntilEnd], tuning: tuning) { stand in
            try await stand.works()
            // More of them than there are slots, and a bound that only a leak would reach.
            for _ in streams {
                var options = RequestOptions()
                options.totalTimeout = .seconds(60)
                let response = try await stand.client.send(
                    .post(stand.url), body: rest.body, options: options)
                #expect(try await text(of: response) == "ok")
            }
            try await stand.settles(connections: 1)
            #expect(stand.peer.connectionCount == 1)
        }
    }

    @Test("trailers that are too large fail their request at once", arguments: [300_000, 700_000])
    func trailersThatAreTooLargeFailTheirRequest(_ size: Int) async throws {
        try await withHTTP2(
            [.send(Frames.settings()), .request(1)] + .answering(3) + [.readUntilEnd]
        ) { stand in
            let value = String(repeating: "v", count: size)
            let body = RequestBody.bytes(Bytes("x")).withTrailers { [.eTag: value] }
            // On time alone nothing ends here before this.
            var options = RequestOptions()
            options.totalTimeout = .seconds(30)
            let error = await transportError {
                _ = try await stand.client.send(.post(stand.url), body: body, options: options)
            }
            #expect(error?.kind == .tooLarge)
            try await stand.works()
            #expect(stand.peer.connectionCount == 1)
            #expect(stand.frames().contains { $0.type == Frames.resetType && $0.stream == 1 })
        }
    }

    @Test("the rest of a body is sent after an early answer if it fits the windows")
    func aShortRestIsSentAfterAnEarlyAnswer() async throws {
        let open = Frames.windowUpdate(3, 1_000) + Frames.head(3, 413, end: true)
        try await withHTTP2(
            .http2(Frames.answer(1), settings: Frames.settings([(4, 0)]))
                + [.request(3), .send(open), .expectData(3, 1_000)] + .answering(5)
                + [.readUntilEnd]
        ) { stand in
            // The window is known before the request leaves.
            try await stand.works()
            let response = try await stand.client.send(
                .post(stand.url), body: .bytes(Bytes([UInt8](repeating: 1, count: 1_000))))
            #expect(response.status == .contentTooLarge)
            try await stand.works()
            #expect(stand.peer.connectionCount == 1)
            #expect(!stand.frames().contains { $0.type == Frames.resetType })
            let last = stand.frames().last { $0.stream == 3 && $0.type == Frames.dataType }
            #expect(last?.flags == 1)
        }
    }

    @Test("a long rest is given up with NO_ERROR, which counts as a cancel of ours")
    func aLongRestIsGivenUpWithoutAnError() async throws {
        try await withHTTP2(
            .http2(Frames.head(1, 413, end: true)) + .answering(3) + [.readUntilEnd]
        ) { stand in
            let body = Bytes([UInt8](repeating: 1, count: 1 << 20))
            let response = try await stand.client.send(.post(stand.url), body: .bytes(body))
            #expect(response.status == .contentTooLarge)
            try await stand.works()
            let reset = stand.frames().first { $0.type == Frames.resetType }
            #expect(reset?.stream == 1)
            #expect(reset?.number() == 0)
        }
    }
}
