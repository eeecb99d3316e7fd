import Apus
import LoopFixtures
import Loopback
import Testing

/// What decides whether an HTTP/1.1 connection carries another exchange, and what is read for that.
@Suite(.timeLimit(.minutes(5))) struct HTTP1ReuseTests {
    private static let length = 40_000

    /// A head that promises so much, and half of it.
    private static func halfAnswer(_ length: Int) -> [ScriptedPeer.Step] {
        [
            .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\n"),
            .send([UInt8](repeating: 7, count: length / 2)), .waitForSignal("dropped"),
        ]
    }

    @Test func aServerThatHasCountedToTheEndIsBelieved() async throws {
        let last: [ScriptedPeer.Step] = [
            .expectHead,
            .sendText(
                "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60, max=0\r\nContent-Length: 0\r\n\r\n"),
            .readUntilEnd,
        ]
        let more: [ScriptedPeer.Step] =
            [
                .expectHead,
                .sendText(
                    "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60, max=1\r\nContent-Length: 0\r\n\r\n"
                ),
            ] + last
        try await withFaultStand([more]) { stand in
            for _ in 0..<2 {
                let response = try await stand.engine.send(stand.request())
                #expect(try await response.body.collect(upTo: 0).isEmpty)
            }
            #expect(stand.closes.all == [.exhausted])
            try await stand.expectGoodExchange(onConnection: 1)
        }
    }

    @Test("R32: the rest of a dropped body is read when it is short, and the connection kept")
    func aShortRestIsDrained() async throws {
        let rest: [ScriptedPeer.Step] = [.send([UInt8](repeating: 7, count: Self.length / 2))]
        let script = Self.halfAnswer(Self.length) + rest + FaultStand.goodExchange
        // Reading goes on for 50 ms at most: a busy machine may need more than one try.
        for _ in 0..<20 {
            var isKept = false
            try await withFaultStand([script + [.readUntilEnd]]) { stand in
                var response: Response? = try await stand.engine.send(stand.request())
                #expect(response?.status == .ok)
                stand.peer.release("dropped")
                response = nil
                try await eventually("the exchange is over") {
                    stand.engine.snapshot().exchanges == 0
                }
                isKept = stand.closes.all.isEmpty
                if isKept { try await stand.expectGoodExchange(onConnection: 0) }
            }
            if isKept { return }
        }
        Issue.record("a short rest was never drained")
    }

    /// Short enough to be read in a moment, so that nothing but its length ends it.
    @Test("R32: a rest beyond limits.drainBytes is not read, and blocks no request")
    func aLongRestIsNotDrained() async throws {
        // More of it remains than the bound, even when the response's own buffer is full.
        let length = 10 * relaxedTuning.limits.drainBytes
        let rest: [ScriptedPeer.Step] = [
            .send([UInt8](repeating: 7, count: length / 2)), .readUntilEnd,
        ]
        try await withFaultStand([Self.halfAnswer(length) + rest]) { stand in
            var response: Response? = try await stand.engine.send(stand.request())
            #expect(response?.status == .ok)
            stand.peer.release("dropped")
            response = nil
            try await eventually("the connection is closed") { !stand.closes.all.isEmpty }
            #expect(stand.closes.all == [.responseUnfinished])
            try await stand.expectGoodExchange(onConnection: 1)
        }
    }

    @Test("R32: a rest that goes on and on is read for no longer than 50 ms, whatever the bytes")
    func anEndlessRestIsGivenUp() async throws {
        let drops = [[ScriptedPeer.Step]](
            repeating: [.sendText("x"), .pause(.milliseconds(5))], count: 1 << 14)
        var tuning = relaxedTuning
        tuning.limits.drainBytes = 1 << 30
        let script = Self.halfAnswer(1 << 20) + drops.flatMap { $0 }
        try await withFaultStand([script], tuning: tuning) { stand in
            var response: Response? = try await stand.engine.send(stand.request())
            #expect(response?.status == .ok)
            response = nil
            stand.peer.release("dropped")
            try await eventually("the connection is closed") { !stand.closes.all.isEmpty }
            #expect(stand.closes.all == [.responseUnfinished])
            try await stand.expectGoodExchange(onConnection: 1)
        }
    }

    @Test("R32: a rest that does not come is not waited for longer than 50 ms")
    func aSilentRestIsGivenUp() async throws {
        try await withFaultStand([Self.halfAnswer(Self.length)]) { stand in
            var response: Response? = try await stand.engine.send(stand.request())
            #expect(response?.status == .ok)
            response = nil
            try await eventually("the connection is closed") { !stand.closes.all.isEmpty }
            #expect(stand.closes.all == [.responseUnfinished])
            stand.peer.release("dropped")
            try await stand.expectGoodExchange(onConnection: 1)
        }
    }

    @Test func withoutADrainADroppedBodyClosesAtOnce() async throws {
        var tuning = relaxedTuning
        tuning.limits.drainBytes = 0
        try await withFaultStand([Self.halfAnswer(Self.length)], tuning: tuning) { stand in
            var response: Response? = try await stand.engine.send(stand.request())
            #expect(response?.status == .ok)
            response = nil
            try await eventually("the connection is closed") { !stand.closes.all.isEmpty }
            #expect(stand.closes.all == [.responseUnfinished])
            stand.peer.release("dropped")
        }
    }

    @Test("row 17: our side stays open until the response is complete", arguments: [false, true])
    func row17(isOneShot: Bool) async throws {
        // A pause ends early, and the script with it, when the other side ends.
        let script: [ScriptedPeer.Step] = [
            .expectHead, .expectBytes(5), .pause(.milliseconds(200)), .signal("still there"),
            .sendText("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha"),
            .pause(.milliseconds(200)), .sendText("lf"), .readUntilEnd,
        ]
        try await withFaultStand([script]) { stand in
            var options = RequestOptions()
            options.reuse = isOneShot ? .oneShot : .pooled
            let response = try await stand.engine.send(
                stand.request(.post), body: .bytes(Bytes("hello")), options: options)
            #expect(String(try await response.body.collect(upTo: 100)) == "half")
            #expect(await stand.peer.signal("still there"))
        }
    }

    // MARK: Before and around the answer

    @Test func informationalResponsesAreReportedBeforeTheFinalOne() async throws {
        let script: [ScriptedPeer.Step] = [
            .expectHead, .sendText("HTTP/1.1 102 Processing\r\n\r\n"),
            .sendText("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"),
            .waitForSignal("heard"), .sendText("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            .readUntilEnd,
        ]
        try await withFaultStand([script]) { stand in
            let heard = Guarded<[HTTPResponse]>([])
            var options = RequestOptions()
            options.onInformational = { [peer = stand.peer] response in
                let count = heard.withLock { heard in
                    heard.append(response)
                    return heard.count
                }
                if count == 2 { peer.release("heard") }
            }
            let response = try await stand.engine.send(stand.request(), options: options)
            #expect(response.status == .ok)
            #expect(heard.withLock { $0 }.map(\.status.code) == [102, 103])
            #expect(
                heard.withLock { $0 }.last?.headerFields[HTTPField.Name(known: "Link")]
                    == "</style.css>")
            #expect(response.informational == heard.withLock { $0 })
        }
    }

    /// A request that contradicts itself.
    struct Contradiction: Sendable, CustomTestStringConvertible {
        let field: String
        let fields: [(String, String)]
        var body = RequestBody.bytes(Bytes("hello"))
        var testDescription: String { fields.map { "\($0): \($1)" }.joined(separator: ", ") }
    }

    static let contradictions: [Contradiction] = [
        Contradiction(field: "content-length", fields: [("Content-Length", "4")]),
        Contradiction(field: "content-length", fields: [("content-LENGTH", "+5")]),
        Contradiction(
            field: "content-length", fields: [("Content-Length", "5"), ("content-length", "5")]),
        Contradiction(field: "transfer-encoding", fields: [("Transfer-Encoding", "chunked")]),
        Contradiction(
            field: "content-length", fields: [("Content-Length", "5")],
            body: .stream { Pieces([Bytes("hello")]) }),
        Contradiction(field: "host", fields: [("Host", "a"), ("host", "b")]),
        Contradiction(field: "host", fields: [("Host", "a/b")]),
    ]

    @Test("row 100: what contradicts itself is refused before a dial", arguments: contradictions)
    func row100(_ sample: Contradiction) async throws {
        try await withFaultStand([]) { stand in
            var request = try stand.request(.post)
            for (name, value) in sample.fields {
                let name = try #require(HTTPField.Name(name))
                request.headerFields.append(HTTPField(name: name, value: value))
            }
            let refused = request
            let error = await transportError {
                _ = try await stand.engine.send(refused, body: sample.body)
            }
            guard case .invalidRequest(let invalid)? = error?.kind else {
                Issue.record("not refused: \(String(describing: error))")
                return
            }
            #expect(invalid.field == sample.field)
            #expect(error?.replay == .notSent)
            #expect(stand.engine.snapshot().counters.dials == 0)
        }
    }

    @Test func aProducerRunsAheadByItsBufferAndNoFurther() async throws {
        let size = 64 << 20
        var counts: [Int] = []
        for buffer in [64 * 1024, 32 << 20] {
            var tuning = relaxedTuning
            tuning.limits.uploadBufferBytes = buffer
            let script: [ScriptedPeer.Step] = [
                .expectHead, .waitForSignal("read on"), .expectBytes(size),
                .sendText("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), .readUntilEnd,
            ]
            let exchanges = [[ScriptedPeer.Step]](repeating: FaultStand.goodExchange, count: 100)
            let scripts = [script, exchanges.flatMap { $0 } + [.readUntilEnd]]
            try await withFaultStand(scripts, tuning: tuning) { stand in
                let count = Counter()
                let piece = Bytes([UInt8](repeating: 7, count: 64 * 1024))
                let body = RequestBody.stream(length: UInt64(size)) {
                    Counted(pieces: size / piece.count, piece: piece, count: count)
                }
                let request = try stand.request(.post)
                let task = Task { try await stand.engine.send(request, body: body) }
                // It fills its buffer and the socket, and pauses, whatever else the engine does
                // meanwhile.
                try await eventually("the buffer is full") { count.value >= buffer }
                try await fillSocket(connectedTo: stand.peer.port)
                for _ in 0..<100 {
                    let other = try await stand.engine.send(stand.request())
                    #expect(String(try await other.body.collect(upTo: 100)) == "good")
                }
                #expect(count.value < size)
                counts.append(count.value)
                stand.peer.release("read on")
                #expect(try await task.value.status == .ok)
                #expect(count.value == size)
            }
        }
        // The kernel's buffers take about the same both times; the rest is the bound's doing.
        #expect(counts[1] - counts[0] > 16 << 20, "\(counts)")
    }

    @Test func lenienceIsAsked() async throws {
        let script: [ScriptedPeer.Step] = [
            .expectHead,
            .sendText("HTTP/1.1 200 OK\r\nX: a\r\n b\u{1}c\r\nContent-Length: 0\r\n\r\n"),
            .readUntilEnd,
        ]
        for isLenient in [false, true] {
            var tuning = relaxedTuning
            if isLenient {
                tuning.http1.lenience.foldedFields = true
                tuning.http1.lenience.controlsInValues = true
            }
            try await withFaultStand([script], tuning: tuning) { stand in
                guard isLenient else {
                    let error = await transportError {
                        _ = try await stand.engine.send(stand.request())
                    }
                    #expect(error?.kind == .malformed)
                    return
                }
                let response = try await stand.engine.send(stand.request())
                #expect(response.head.headerFields[HTTPField.Name(known: "X")] == "a b c")
            }
        }
    }
}
