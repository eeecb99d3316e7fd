import Apus
import Loopback
import Testing

/// Rows 38 and 39: an answer that comes before the request has left is always delivered.
@Suite(.timeLimit(.minutes(5))) struct HTTP1EarlyAnswerTests {
    private static let size = 16 << 20
    private static let body = Bytes([UInt8](repeating: 7, count: size))

    @Test(arguments: ["close", "keep", "reset"])
    func rows38And39AreDelivered200TimesOf200(_ ending: String) async throws {
        try await expectEarlyAnswers(.http1, ending, rounds: isSanitized ? 20 : 200)
    }

    @Test(arguments: ["close", "keep", "reset"])
    func rows38And39AreDeliveredThroughTLS(_ ending: String) async throws {
        try await expectEarlyAnswers(.http1OverTLS, ending, rounds: 20)
    }

    private func expectEarlyAnswers(_ way: Way, _ ending: String, rounds: Int) async throws {
        try await withStand(way) { stand in
            for round in 0..<rounds {
                let response = try await stand.client.send(
                    .post(stand.url("/early/413?then=\(ending)")), body: .bytes(Self.body))
                #expect(response.status.code == 413, "round \(round)")
                #expect(String(try await response.body.collect(upTo: 100)) == "413\n")
                #expect(response.info.bytesSent <= UInt64(Self.size))
            }
            guard ending != "keep" else { return }
            try await eventually("no connection is kept") {
                stand.engine.snapshot().connections == 0
            }
        }
    }

    @Test(
        "row 39: a whole answer and a reset right behind it, 200 of 200",
        arguments: [false, true])
    func row39(isStreamed: Bool) async throws {
        let script: [ScriptedPeer.Step] = [
            .expectHead, .sendText("HTTP/1.1 413 Big\r\nContent-Length: 3\r\n\r\nbig"), .reset,
        ]
        let rounds = isSanitized ? 20 : 200
        try await withFaultStand([[ScriptedPeer.Step]](repeating: script, count: rounds)) { stand in
            let piece = Self.body.prefix(64 * 1024)
            let pieces = [Bytes](repeating: piece, count: Self.size / piece.count)
            let body =
                isStreamed
                ? RequestBody.stream(length: UInt64(Self.size)) { Pieces(pieces) }
                : .segments(pieces)
            for round in 0..<rounds {
                let response = try await stand.engine.send(stand.request(.post), body: body)
                #expect(response.status.code == 413, "round \(round)")
                #expect(String(try await response.body.collect(upTo: 100)) == "big")
                #expect(response.info.bytesSent < UInt64(Self.size))
                // What is at hand leaves together with the head.
                #expect(isStreamed || response.info.bytesSent > 0)
            }
            #expect(stand.closes.all.count == rounds)
            #expect(stand.closes.all.allSatisfy { $0 == .requestUnfinished })
            try await stand.expectGoodExchange(onConnection: rounds)
        }
    }

    @Test("row 39: a reset cannot pass for the end of a body that ends with the connection")
    func row39WithoutLength() async throws {
        let script: [ScriptedPeer.Step] = [
            .expectHead, .sendText("HTTP/1.1 413 Big\r\n\r\nbig"), .reset,
        ]
        try await withFaultStand([script, script, script, script]) { stand in
            for _ in 0..<4 {
                let response = try await stand.engine.send(
                    stand.request(.post), body: .bytes(Self.body))
                #expect(response.status.code == 413)
                let error = await transportError { _ = try await response.body.collect(upTo: 100) }
                #expect(error?.kind == .reset)
                #expect(error?.bytesReceived == 3)
            }
            try await stand.expectGoodExchange(onConnection: 4)
        }
    }

    @Test("row 38: a refusal cancels the upload's producer while its body still comes")
    func row38() async throws {
        let script: [ScriptedPeer.Step] = [
            .expectHead, .sendText("HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nn"),
            .waitForSignal("stopped"), .sendText("o!"), .readUntilEnd,
        ]
        try await withFaultStand([script]) { stand in
            let (stream, producer) = AsyncThrowingStream.makeStream(of: Bytes.self)
            producer.onTermination = { _ in stand.peer.release("stopped") }
            producer.yield(Bytes("a piece, and never an end"))
            let response = try await stand.engine.send(
                stand.request(.post), body: .oneShot { stream })
            #expect(response.status.code == 403)
            #expect(String(try await response.body.collect(upTo: 100)) == "no!")
            #expect(stand.closes.all == [.requestUnfinished])
            try await stand.expectGoodExchange(onConnection: 1)
        }
    }

    @Test("row 38: an answer that is no refusal leaves the upload going, and the connection kept")
    func row38WithoutRefusal() async throws {
        let script: [ScriptedPeer.Step] =
            [
                .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
                .expectBytes(Self.size), .sendText("ok"),
            ] + FaultStand.goodExchange + [.readUntilEnd]
        try await withFaultStand([script]) { stand in
            let response = try await stand.engine.send(
                stand.request(.post), body: .bytes(Self.body))
            #expect(String(try await response.body.collect(upTo: 100)) == "ok")
            #expect(response.info.bytesSent == UInt64(Self.size))
            try await stand.expectGoodExchange(onConnection: 0)
        }
    }

    @Test("a request is whole with its last byte, before its producer says so", arguments: [0, 5])
    func wholeBeforeTheProducerEnds(_ length: Int) async throws {
        let script =
            [.expectHead, .expectBytes(length)] + FaultStand.goodExchange.dropFirst()
            + FaultStand.goodExchange + [.readUntilEnd]
        try await withFaultStand([script]) { stand in
            let (stream, producer) = AsyncThrowingStream.makeStream(of: Bytes.self)
            if length > 0 { producer.yield(Bytes([UInt8](repeating: 7, count: length))) }
            let response = try await stand.engine.send(
                stand.request(.post), body: .stream(length: UInt64(length)) { stream })
            #expect(String(try await response.body.collect(upTo: 100)) == "good")
            #expect(stand.closes.all == [])
            try await stand.expectGoodExchange(onConnection: 0)
        }
    }

    @Test(arguments: [Way.http1, .http1OverTLS])
    func segmentsOfEverySizeArriveInOrder(_ way: Way) async throws {
        try await withStand(way) { stand in
            let sizes = [1, 70_000, 3, 1 << 20, 65_536, 300_000, 2, 1 << 21]
            var segments: [Bytes] = []
            var position = 0
            for size in sizes + sizes {
                segments.append(Bytes(BodyPattern.bytes(size, from: position)))
                position += size
            }
            let response = try await stand.client.send(
                .post(stand.url("/echo")), body: .segments(segments))
            #expect(try await checkPattern(response.body) == position)
            #expect(response.info.bytesSent == UInt64(position))
        }
    }
}
