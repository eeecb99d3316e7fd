import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// Each wait of an exchange has a limit of its own, which names itself: incidents C4 and C5.
@Suite(.timeLimit(.minutes(5))) struct PhaseTimeoutTests {
    private static let short = Duration.milliseconds(60)

    /// The head comes after the longest upload's time, and in time all the same.
    @Test(
        "C5: the time of an upload does not count as the response's",
        arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func theTimeOfAnUploadDoesNotCount(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            var options = RequestOptions()
            options.responseTimeout = .seconds(30)
            let (stream, input) = AsyncStream.makeStream(of: Bytes.self)
            let sent = Task { [options] in
                try await stand.client.send(
                    .post(stand.url("/sink")), body: .oneShot { stream }, options: options)
            }
            input.yield(Bytes("x"))
            input.finish()
            let response = try await sent.value
            #expect(try await text(of: response) == "1\n")
            let info = response.info
            let (sentAfter, head) = try (#require(info.sent), #require(info.head))
            let (firstByte, done) = try (#require(info.firstByte), #require(info.done))
            #expect(sentAfter <= head && head <= firstByte && firstByte <= done)
        }
    }

    @Test(
        "C5: a head that does not come after the request is late",
        arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func aHeadThatDoesNotComeIsLate(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            var options = RequestOptions()
            options.responseTimeout = Self.short
            let error = await transportError { [options] in
                _ = try await stand.client.send(.get(stand.url("/hang")), options: options)
            }
            #expect(error?.kind == .timeout && error?.phase == .head)
            #expect(
                error?.message == "no final head within 60 ms after the request (responseTimeout)")
            #expect(error?.timeLimit?.wait == .response)
            #expect(error?.timeLimit?.duration == Self.short)
            #expect(error?.replay == .unknown)
        }
    }

    @Test(
        "C4, C5: a body that does not begin after the head is late",
        arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func aBodyThatDoesNotBeginIsLate(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            var options = RequestOptions()
            options.firstByteTimeout = Self.short
            // Longer, and shorter: it is not asked before the first byte.
            for readIdle in [nil, Duration.seconds(600), .milliseconds(1)] {
                options.readIdleTimeout = readIdle
                let error = await transportError { [options] in
                    let response = try await stand.client.send(
                        .get(stand.url("/head-then-hang?bytes=0")), options: options)
                    _ = try await response.body.collect(upTo: 10)
                }
                #expect(error?.timeLimit?.wait == .firstByte, "\(String(describing: error))")
                #expect(error?.phase == .body && error?.replay == .responseStarted)
                #expect(
                    error?.message
                        == "no byte of the body within 60 ms after the head (firstByteTimeout)")
            }
            // A body that has begun is watched by the other limit alone.
            options.readIdleTimeout = Self.short * 2
            let error = await transportError { [options] in
                let response = try await stand.client.send(
                    .get(stand.url("/head-then-hang?bytes=5")), options: options)
                _ = try await response.body.collect(upTo: 10)
            }
            #expect(error?.timeLimit?.wait == .readIdle && error?.bytesReceived == 5)
        }
    }

    @Test("C5: over HTTP/1.1 a peer that takes no byte of an upload is late")
    func aPeerThatTakesNoByteIsLate() async throws {
        let peer = try ScriptedPeer([[.expectHead, .silence]])
        defer { peer.stop() }
        try await withEngine { engine in
            var options = RequestOptions()
            options.writeIdleTimeout = .milliseconds(200)
            let body = RequestBody.bytes(Bytes([UInt8](repeating: 7, count: 16 << 20)))
            let error = await transportError { [options] in
                _ = try await engine.send(
                    .post("http://127.0.0.1:\(peer.port)/"), body: body, options: options)
            }
            #expect(error?.timeLimit?.wait == .writeIdle, "\(String(describing: error))")
            #expect(error?.phase == .send && error?.replay == .unknown)
            #expect(
                error?.message
                    == "the peer took no byte of the request for 200 ms (writeIdleTimeout)")
        }
    }

    /// The stream's window is closed while the connection works: its PING is answered.
    @Test("C5: over HTTP/2 a window that stays closed is late, and the answered PING is named")
    func aWindowThatStaysClosedIsLate() async throws {
        var tuning = EngineTuning.default
        tuning.http2.pingAfter = .milliseconds(200)
        // However late an answer is, the next request goes to the same connection.
        tuning.http2.suspectAfter = .seconds(600)
        tuning.http2.deadAfter = .seconds(600)
        tuning.http2.maxConnectionsPerHost = 1
        let answered: [ScriptedPeer.Step] = [.expectFrame(Frames.pingType), .pong]
        let script = [ScriptedPeer.Step].http2([]) + (0..<400).flatMap { _ in answered }
        try await withHTTP2(script + [.silence], tuning: tuning) { stand in
            var options = RequestOptions()
            options.writeIdleTimeout = .seconds(1)
            let body = RequestBody.bytes(Bytes([UInt8](repeating: 7, count: 1 << 20)))
            var error: TransportError?
            // On a machine under load the answer may come late for one wait.
            for _ in 0..<20 where error?.timeLimit?.pingAnswered == nil {
                error = await transportError { [options] in
                    _ = try await stand.client.send(
                        .post(stand.url), body: body, options: options)
                }
                #expect(error?.timeLimit?.wait == .writeIdle, "\(String(describing: error))")
                #expect(error?.phase == .send && error?.replay == .unknown)
            }
            #expect(error?.message.contains("; the peer answered a PING ") == true)
        }
    }

    /// A client's limits apply where the request's options have none.
    @Test func aClientsLimitsAreTheDefaults() async throws {
        try await withStand(.http1) { stand in
            var timeouts = RequestTimeouts()
            timeouts.response = Self.short
            let client = ExecutorClient(stand.engine, timeouts: timeouts)
            #expect(client.timeouts == timeouts)
            var error = await transportError {
                _ = try await client.send(.get(stand.url("/hang")))
            }
            #expect(error?.timeLimit?.wait == .response)
            // The request's own comes first.
            var options = RequestOptions()
            options.responseTimeout = RequestOptions.unlimited
            options.headTimeout = Self.short
            error = await transportError { [options] in
                _ = try await client.send(.get(stand.url("/hang")), options: options)
            }
            #expect(error?.timeLimit?.wait == .head)
        }
    }

    @Test(
        "C4: a stall is reported, and the exchange goes on",
        arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func aStallIsReported(_ variant: ProtocolVariant) async throws {
        let chronicle = Chronicle()
        try await withStand(variant) { stand in
            let engine = try TransportEngine(relaxedTuning, observer: chronicle)
            let client = ExecutorClient(engine, versions: variant.versions)
            var options = RequestOptions()
            options.stallNotice = .milliseconds(20)
            let response = try await client.send(
                .get(stand.url("/head-then-hang?bytes=5")), options: options)
            let iterator = response.body.makeAsyncIterator()
            #expect(try await iterator.next()?.count == 5)
            let reading = Task { try await iterator.next() }
            try await eventually("the stall is reported") {
                chronicle.events.contains { event in
                    if case .exchangeStalled(_, .readIdle, let silence) = event {
                        silence >= .milliseconds(20)
                    } else {
                        false
                    }
                }
            }
            response.cancel()
            await #expect(throws: TransportError.self) { _ = try await reading.value }
            #expect(chronicle.bodies.count == 1)
            await engine.shutdown()
        }
    }
}
