import Apus
import Loopback
import Testing

/// The HTTP/1.1 rows of the fault matrix over real sockets: 9 to 11, 13, 16, 18 to 20, 24, 26 to
/// 37, 41 and 42.
///
/// Each fault leads to its error and verdict, and leaves an engine that is as good as new.
@Suite(.timeLimit(.minutes(5))) struct HTTP1FaultTests {
    @Test(arguments: HTTP1Fault.all)
    func aFaultIsReportedAndNoResourceRemains(_ fault: HTTP1Fault) async throws {
        try await withFaultStand([[.expectHead] + fault.steps]) { stand in
            var received = 0
            let error = await transportError {
                let response = try await stand.engine.send(stand.request())
                for try await chunk in response.body { received += chunk.count }
            }
            #expect(error?.kind == fault.kind)
            #expect(error?.phase == fault.phase)
            #expect(error?.replay == fault.replay)
            #expect(error?.message.contains(fault.hint) == true || fault.hint.isEmpty)
            if let expected = fault.received { #expect(received == expected) }
            #expect(error?.bytesReceived == UInt64(received))
            try await stand.expectGoodExchange(onConnection: 1)
        }
    }

    @Test(
        "an error about the answer's head says how much of the answer had come",
        arguments: [("HTTP/1.1 2x0 OK\r\n\r\n", 19), ("SSH-2.0-OpenSSH_9.2\r\n", 21)])
    func bytesOfTheAnswer(text: String, count: Int) async throws {
        try await withFaultStand([[.expectHead, .sendText(text), .readUntilEnd]]) { stand in
            let error = await transportError {
                _ = try await stand.engine.send(stand.request())
            }
            #expect(error?.kind == .malformed)
            #expect(error?.message.hasSuffix("; \(count) bytes of the answer had come") == true)
            #expect(error?.description.contains("received 0 B,") == false)
        }
    }

    // MARK: What is unusual and yet right

    /// An answer that is taken, and whether its connection is kept.
    struct Answer: Sendable, CustomTestStringConvertible {
        let row: Int
        let name: String
        var method = HTTPRequest.Method.get
        let steps: [ScriptedPeer.Step]
        var body = ""
        /// `nil`: kept.
        var closeReason: CloseReason?

        var testDescription: String { "row \(row): \(name)" }
    }

    private static let trailed =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + "3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX-Count: 5\r\n\r\n"

    static let answers: [Answer] = [
        Answer(
            row: 16, name: "a half-close after a whole response",
            steps: [
                .sendText("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), .halfClose,
                .readUntilEnd,
            ], body: "hello", closeReason: .peerClosed),
        Answer(
            row: 24, name: "byte by byte", steps: [.sendByteByByte(Array(trailed.utf8))],
            body: "hello"),
        Answer(
            row: 29, name: "1xx before the final head",
            steps: [
                .sendText("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: a\r\n\r\n"),
                .sendText("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
            ], body: "hello"),
        Answer(
            row: 36, name: "a body that ends with the connection",
            steps: [.sendText("HTTP/1.1 200 OK\r\n\r\nhello"), .close], body: "hello",
            closeReason: .closeDelimited),
        Answer(
            row: 37, name: "bytes after the body",
            steps: [
                .sendText("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n"),
                .readUntilEnd,
            ], body: "hello", closeReason: .unsolicitedBytes),
    ]

    static let bodiless: [Answer] = [
        (HTTPRequest.Method.head, "200 OK", "Content-Length: 10"),
        (.head, "200 OK", "Transfer-Encoding: chunked"), (.get, "204 No", "Content-Length: 10"),
        (.get, "204 No", "Transfer-Encoding: chunked"), (.get, "304 No", "Content-Length: 10"),
        (.get, "304 No", "Transfer-Encoding: chunked"),
    ].map { method, status, field in
        Answer(
            row: 42, name: "\(method) \(status) with \(field)", method: method,
            steps: [.sendText("HTTP/1.1 \(status)\r\n\(field)\r\n\r\n")])
    }

    @Test(arguments: answers + bodiless)
    func anUnusualAnswerIsTaken(_ answer: Answer) async throws {
        let script = [.expectHead] + answer.steps + FaultStand.goodExchange + [.readUntilEnd]
        try await withFaultStand([script]) { stand in
            let response = try await stand.engine.send(stand.request(answer.method))
            #expect(String(try await response.body.collect(upTo: 100)) == answer.body)
            if answer.row == 29 {
                #expect(response.informational.map(\.status.code) == [100, 103])
            }
            guard let reason = answer.closeReason else {
                return try await stand.expectGoodExchange(onConnection: 0)
            }
            try await eventually("the connection is closed") { !stand.closes.all.isEmpty }
            #expect(stand.closes.all == [reason])
            #expect(stand.engine.snapshot().connections == 0)
            try await stand.expectGoodExchange(onConnection: 1)
        }
    }

    // MARK: Time

    // A budget counts from the call, so the connection is there before it: a machine that is busy
    // with other tests may take as long as it likes for the dial.

    @Test("row 18: a peer that stops reading is a timeout of sending, and holds up the producer")
    func row18() async throws {
        let script = FaultStand.goodExchange + [.expectHead, .silence]
        try await withFaultStand([script]) { stand in
            try await stand.expectGoodExchange(onConnection: 0)
            let count = Counter()
            let piece = Bytes([UInt8](repeating: 7, count: 64 * 1024))
            let body = RequestBody.stream(length: 64 << 20) {
                Counted(pieces: 1024, piece: piece, count: count)
            }
            var options = RequestOptions()
            options.headTimeout = .milliseconds(1000)
            let error = await transportError {
                try await stand.sendOnLoop(.post, body: body, options)
            }
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .send)
            #expect(error?.replay == .unknown)
            // Two socket buffers and our own bound.
            #expect(count.value < 32 << 20)
            try await stand.expectGoodExchange(onConnection: 1)
        }
    }

    @Test("row 19: a peer that says nothing is a timeout of the head")
    func row19() async throws {
        let script = FaultStand.goodExchange + [.expectHead, .silence]
        try await withFaultStand([script]) { stand in
            try await stand.expectGoodExchange(onConnection: 0)
            var options = RequestOptions()
            options.headTimeout = .milliseconds(500)
            let error = await transportError {
                try await stand.sendOnLoop(.get, body: .empty, options)
            }
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .head)
            #expect(error?.replay == .unknown)
            try await stand.expectGoodExchange(onConnection: 1)
        }
    }

    /// How much slower than usual a peer and a timeout are, one after the other.
    ///
    /// A busy machine may hold up a peer for the whole of a timeout; then the next pace is tried.
    /// What is wrong stays wrong at every pace.
    private static let paces = [1, 4, 16, 64]

    @Test("row 20: silence within the body is measured from the last byte")
    func row20() async throws {
        for pace in Self.paces {
            // All of them together take longer than the timeout.
            let drops = [[ScriptedPeer.Step]](
                repeating: [.sendText("x"), .pause(.milliseconds(40 * pace))], count: 25)
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
            let script = [.expectHead, .sendText(head)] + drops.flatMap { $0 } + [.silence]
            var received = 0
            try await withFaultStand([script]) { stand in
                var options = RequestOptions()
                options.readIdleTimeout = .milliseconds(800 * pace)
                let response = try await stand.engine.send(stand.request(), options: options)
                let error = await transportError {
                    for try await chunk in response.body { received += chunk.count }
                }
                #expect(error?.kind == .timeout)
                #expect(error?.phase == .body)
                try await stand.expectGoodExchange(onConnection: 1)
            }
            if received == 25 { return }
        }
        Issue.record("the silence was never measured from the last byte")
    }

    @Test("row 31: a head that drips in has one budget, not one for each byte")
    func row31() async throws {
        for pace in Self.paces {
            // The drops come for more than six times as long as the budget lasts.
            let drops = [[ScriptedPeer.Step]](
                repeating: [.sendText("x"), .pause(.milliseconds(10 * pace))], count: 1000)
            let script =
                FaultStand.goodExchange + [.expectHead, .sendText("HTTP/1.1 200 OK\r\nX: ")]
                + drops.flatMap { $0 }
            var hasBegun = false
            try await withFaultStand([script]) { stand in
                try await stand.expectGoodExchange(onConnection: 0)
                var options = RequestOptions()
                options.headTimeout = .milliseconds(1500 * pace)
                let error = await transportError {
                    try await stand.sendOnLoop(.get, body: .empty, options)
                }
                #expect(error?.kind == .timeout)
                #expect(error?.phase == .head)
                hasBegun = error?.replay == .responseStarted
                try await stand.expectGoodExchange(onConnection: 1)
            }
            if hasBegun { return }
        }
        Issue.record("no byte of the head was ever heard of")
    }
}
