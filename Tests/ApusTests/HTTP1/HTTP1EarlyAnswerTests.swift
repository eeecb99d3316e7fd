import Apus
import Glibc
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

    private func expectEarlyAnswers(_ variant: ProtocolVariant, _ ending: String, rounds: Int)
        async throws
    {
        try await withStand(variant) { stand in
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
        "row 39: a whole answer directly followed by a reset, 200 of 200",
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

    @Test(
        "row 38: an upload that fails hides no refusal that has come already",
        arguments: [false, true])
    func aFailingUploadHidesNoRefusal(isShort: Bool) async throws {
        let script: [ScriptedPeer.Step] = [
            .expectHead, .signal("asked"), .waitForSignal("answer"),
            .sendText("HTTP/1.1 413 Big\r\nContent-Length: 3\r\n\r\nbig"), .silence,
        ]
        try await withFaultStand([script]) { stand in
            let (stream, producer) = AsyncThrowingStream.makeStream(of: Bytes.self)
            let request = try stand.request(.post)
            async let answer = stand.engine.send(
                request, body: .stream(length: isShort ? 9 : nil) { stream })
            #expect(await stand.peer.signal("asked"))
            // The loop is kept busy while two jobs come to it: one that waits for the answer to be
            // sent, followed by the end of the upload. It polls its sockets after both.
            let (isBusy, mayGoOn) = (Shared(false), Shared(false))
            let busy = Task(executorPreference: stand.engine.taskExecutor) {
                isBusy.change { $0 = true }
                for _ in 0..<10_000 where !mayGoOn.value { usleep(1000) }
            }
            try await eventually("the loop is busy") { isBusy.value }
            let waiting = Task(executorPreference: stand.engine.taskExecutor) {
                stand.peer.release("answer")
                #expect(stand.peer.waitUntil(connection: 0) { $0.steps >= 4 })
            }
            if isShort { producer.finish() } else { producer.finish(throwing: Failure()) }
            try await Task.sleep(for: .milliseconds(50))
            mayGoOn.change { $0 = true }
            await busy.value
            await waiting.value
            let response = try await answer
            #expect(response.status.code == 413)
            #expect(String(try await response.body.collect(upTo: 100)) == "big")
            #expect(stand.closes.all == [.requestUnfinished])
            try await stand.expectGoodExchange(onConnection: 1)
        }
    }

    private struct Failure: Error {}

    @Test("a head that waits for a tunnel's window is not lost")
    func aHeadAfterASmallWindow() async throws {
        try await withStand(.http1OverTLS) { stand in
            var options = LoopbackHTTP2Proxy.Options()
            // Less than the end of the handshake, so that some of it waits when the request begins.
            options.streamWindow = 64
            let proxy = try LoopbackHTTP2Proxy(options)
            let relay = try DelayingRelay(to: proxy.port, delay: .milliseconds(10))
            defer {
                relay.stop()
                proxy.stop()
            }
            let client = ExecutorClient(
                stand.engine, proxy: try ProxySetting(parsing: "https://localhost:\(relay.port)"),
                versions: ProtocolVariant.http1OverTLS.versions)
            let body = Bytes(BodyPattern.bytes(200))
            let response = try await client.send(
                .post(stand.url("/echo")), body: .segments([body.prefix(100), body.dropFirst(100)]))
            #expect(try await checkPattern(response.body) == body.count)
        }
    }

    @Test("short pieces of a body share their TLS records")
    func shortPiecesShareRecords() async throws {
        try await withStand(.http1OverTLS) { stand in
            let proxy = try LoopbackConnectProxy()
            defer { proxy.stop() }
            let client = ExecutorClient(
                stand.engine, proxy: try ProxySetting(parsing: "http://127.0.0.1:\(proxy.port)"),
                versions: ProtocolVariant.http1OverTLS.versions)
            let size = 500 * 1024
            let pieces = stride(from: 0, to: size, by: 1024).map {
                Bytes(BodyPattern.bytes(1024, from: $0))
            }
            let response = try await client.send(
                .post(stand.url("/sink")), body: .segments(pieces))
            #expect(response.status == .ok)
            _ = try await response.body.collect(upTo: 1 << 16)
            // 22 bytes for each record: 11,000 if each piece had one of its own.
            #expect(proxy.counters.bytesToOrigin - size < 6000)
        }
    }

    /// A body of no bytes is another matter: `anEmptyProducerIsRunToItsEndFirst`.
    @Test("a request is whole with its last byte, before its producer says so", arguments: [1, 5])
    func wholeBeforeTheProducerEnds(_ length: Int) async throws {
        let script =
            [.expectHead, .expectBytes(length)] + FaultStand.goodExchange.dropFirst()
            + FaultStand.goodExchange + [.readUntilEnd]
        try await withFaultStand([script]) { stand in
            let (stream, producer) = AsyncThrowingStream.makeStream(of: Bytes.self)
            producer.yield(Bytes([UInt8](repeating: 7, count: length)))
            let response = try await stand.engine.send(
                stand.request(.post), body: .stream(length: UInt64(length)) { stream })
            #expect(String(try await response.body.collect(upTo: 100)) == "good")
            #expect(stand.closes.all == [])
            try await stand.expectGoodExchange(onConnection: 0)
        }
    }

    @Test(arguments: [ProtocolVariant.http1, .http1OverTLS])
    func segmentsOfEverySizeArriveInOrder(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
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
