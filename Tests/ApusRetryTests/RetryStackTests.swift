import Apus
import ApusRetry
import Loopback
import Testing

/// Retries and rotations over an engine and real sockets.
@Suite(.timeLimit(.minutes(5))) struct RetryStackTests {
    private typealias Step = ScriptedPeer.Step

    private let clock = ManualClock()

    private func retrying(
        _ transport: any HTTPTransport, budget: RetryBudget? = nil
    ) -> Redirecting {
        Redirecting(
            Retrying(transport, budget: budget, clock: clock.clock, random: { 1 }),
            clock: clock.clock)
    }

    private func answer(_ head: String, _ body: String = "") -> Step {
        .sendText("HTTP/1.1 \(head)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    private func with(
        _ scripts: [[Step]], otherwise: [Step] = [.close],
        _ body: (TransportEngine, ScriptedPeer, String) async throws -> Void
    ) async throws {
        let peer = try ScriptedPeer(scripts, otherwise: otherwise)
        defer { peer.stop() }
        try await withEngine { engine in
            try await body(engine, peer, "http://127.0.0.1:\(peer.port)/")
        }
    }

    /// The pause between probes doubles, so few dials come to it however slow this goes.
    @Test("E4: rotations go on at once while their first proxy is failing, and few of them dial it")
    func rotationsGoOnAtOnceWhileAProxyIsFailing() async throws {
        let origin = try LoopbackServer(LoopbackServer.Options())
        defer { origin.stop() }
        let dead = try ScriptedPeer([], otherwise: [.close])
        defer { dead.stop() }
        let alive = try LoopbackSOCKSProxy()
        defer { alive.stop() }
        try await withEngine { engine in
            for number in 0..<50 {
                let choices = try [("dead", dead.port), ("alive", alive.port)].map { name, port in
                    let url = "socks5h://u\(number):x@127.0.0.1:\(port)"
                    return Choice.proxy(name, try ProxySetting(parsing: url))
                }
                var policy = RotationPolicy()
                policy.order = .firstHealthy
                let rotating = try Rotating(
                    over: choices, engine, policy: policy, clock: clock.clock)
                let response = try await rotating.send(
                    .post("http://127.0.0.1:\(origin.port)/"), body: .bytes(Bytes("x")))
                #expect(response.status == .ok)
                #expect(response.info.tries.map(\.choice) == ["dead", "alive"])
            }
            #expect(dead.connectionCount <= 10)
            #expect(alive.requests.count == 50)
        }
    }

    @Test func resetConnectionsAreRepeatedForAnIdempotentRequest() async throws {
        try await with([
            [.expectHead, .reset], [.expectHead, .sendText("HTTP/1.1 20"), .reset],
        ]) { engine, peer, url in
            // The second connection dies within a head: a response has begun, so that is the end.
            let error = await #expect(throws: TransportError.self) {
                try await retrying(engine).send(.get(url))
            }
            #expect(error?.tries.count == 2)
            #expect(error?.replay == .responseStarted)
            #expect(peer.connectionCount == 2)
        }
        try await with([
            [.expectHead, .reset], [.expectHead, .close],
            [.expectHead, answer("200 OK", "third")],
        ]) { engine, peer, url in
            let response = try await retrying(engine).send(.get(url))
            #expect(String(try await response.body.collect(upTo: 10)) == "third")
            #expect(response.info.tries.count == 3)
            #expect(response.info.tries.map(\.connectionID) == [1, 2, 3])
            #expect(peer.connectionCount == 3)
        }
    }

    /// The rest of the answer that is given up is read, so the connection is used again.
    @Test func aRefusalIsRepeatedOnItsConnection() async throws {
        try await with([
            [
                .expectHead, answer("503 Busy\r\nRetry-After: 7", "please wait"), .expectHead,
                answer("200 OK", "ready"),
            ]
        ]) { engine, peer, url in
            let response = try await retrying(engine).send(.get(url))
            #expect(String(try await response.body.collect(upTo: 10)) == "ready")
            #expect(response.info.tries.results == ["503", "200"])
            #expect(response.info.tries.map(\.connectionID) == [1, 1])
            #expect(clock.waits == [.seconds(7)])
            #expect(peer.connectionCount == 1)
        }
    }

    /// An answer whose rest does not come is ended, and the next try has another connection.
    @Test func anAnswerThatIsTooLongToReadIsEnded() async throws {
        try await with([
            [
                .expectHead, .sendText("HTTP/1.1 503 Busy\r\nContent-Length: 10000000\r\n\r\n"),
                .readUntilEnd,
            ],
            [.expectHead, answer("200 OK", "ready")],
        ]) { engine, peer, url in
            let response = try await retrying(engine).send(.get(url))
            #expect(response.status == .ok)
            #expect(peer.waitUntil(connection: 0) { $0.hasEnded })
            #expect(peer.connectionCount == 2)
        }
    }

    @Test func aRequestInDoubtIsNotRepeatedUnlessItIsIdempotent() async throws {
        let scripts: [[Step]] = [[.expectHead, .reset], [.expectHead, answer("200 OK")]]
        try await with(scripts) { engine, peer, url in
            let error = await #expect(throws: TransportError.self) {
                try await retrying(engine).send(.post(url), body: .bytes(Bytes("order")))
            }
            #expect(error?.replay == .unknown)
            #expect(error?.tries.isEmpty == true)
            #expect(peer.connectionCount == 1)
        }
        let key = HTTPField.Name(known: "Idempotency-Key")
        try await with(scripts) { engine, peer, url in
            let response = try await retrying(engine).send(
                .post(url, fields: [key: "1"]), body: .bytes(Bytes("order")))
            #expect(response.status == .ok)
            #expect(peer.connectionCount == 2)
        }
    }

    @Test func aStreamThatFailsAfterItsFirstByteIsNotRepeated() async throws {
        try await with([
            [.expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), .reset]
        ]) { engine, peer, url in
            let response = try await retrying(engine).send(.get(url))
            let body = response.body.makeAsyncIterator()
            let error = await #expect(throws: TransportError.self) {
                while try await body.next() != nil {}
            }
            #expect(error?.replay == .responseStarted)
            #expect(peer.connectionCount == 1)
        }
    }

    @Test func theBudgetIsForAllRequests() async throws {
        let server = try LoopbackServer(LoopbackServer.Options(tls: nil))
        defer { server.stop() }
        let budget = RetryBudget(ratio: 0, perSecond: 0, burst: 3)
        try await withEngine { engine in
            let transport = retrying(engine, budget: budget)
            var counts: [Int] = []
            for _ in 0..<3 {
                let response = try await transport.send(
                    .get("http://127.0.0.1:\(server.port)/status/503"))
                counts.append(max(1, response.info.tries.count))
            }
            #expect(counts == [3, 2, 1])
        }
    }

    @Test func aBodyThatCannotBeRepeatedIsSentOnce() async throws {
        try await with([[.expectHead, .expectBytes(4), answer("503 Busy", "no")]]) {
            engine, peer, url in
            let body = RequestBody.oneShot(length: 4) { ResponseBody([Bytes("once")]) }
            let response = try await retrying(engine).send(.post(url), body: body)
            #expect(response.status == .serviceUnavailable)
            #expect(String(try await response.body.collect(upTo: 10)) == "no")
            #expect(peer.connectionCount == 1)
        }
    }

    @Test func anotherCredentialIsUsedAfterALimit() async throws {
        try await with([
            [
                .expectHead, answer("429 Slow\r\nRetry-After: 60", "limit"), .expectHead,
                answer("200 OK", "one"), .expectHead, answer("200 OK", "two"),
            ]
        ]) { engine, peer, url in
            let origin = try Origin(scheme: .http, host: "127.0.0.1", port: Int(peer.port))
            let keys = ["first", "second"].map { name in
                Choice.credential(name, [.authorization: "Bearer \(name)-secret"], for: origin)
            }
            let rotating = try Rotating(over: keys, engine, clock: clock.clock)
            let transport = retrying(rotating)
            let response = try await transport.send(.post(url), body: .bytes(Bytes("a")))
            #expect(String(try await response.body.collect(upTo: 10)) == "one")
            #expect(response.info.tries.map(\.choice) == ["first", "second"])
            // The first choice is put aside, so the next request begins with the second one.
            let next = try await transport.send(.get(url))
            _ = try await next.body.collect(upTo: 10)
            #expect(next.info.tries.map(\.choice) == ["second"])
            #expect(rotating.state().map(\.asideFor) == [.seconds(60), nil])
            #expect(clock.waits.isEmpty)
            let used = peer.transcript(0).text.matches(of: /Bearer (\w+)-secret/).map { $0.1 }
            #expect(used == ["first", "second", "second"])
        }
    }

    /// REFUSED_STREAM proves that the peer did not act, so the method does not matter.
    @Test func aRefusedStreamIsRepeated() async throws {
        var options = LoopbackServer.Options(tls: nil)
        options.http2PriorKnowledge = true
        let server = try LoopbackServer(options)
        defer { server.stop() }
        try await withEngine { engine in
            let client = ExecutorClient(engine, versions: .http2Only)
            let error = await #expect(throws: TransportError.self) {
                try await retrying(client).send(
                    .post("http://127.0.0.1:\(server.port)/reset/7"))
            }
            #expect(error?.kind == .h2Stream(code: 7))
            #expect(error?.replay == .refusedByPeer)
            #expect(error?.tries.results == ["h2Stream", "h2Stream", "h2Stream"])
            #expect(clock.waits == [.milliseconds(100), .milliseconds(200)])
        }
    }

    /// The duplex of an upgrade is that of the transport.
    @Test func anUpgradeKeepsItsDuplex() async throws {
        try await with([
            [.expectHead, answer("503 Busy")],
            [
                .expectHead,
                .sendText(
                    "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhi"),
            ],
        ]) { engine, _, url in
            var options = RequestOptions()
            options.upgrade = "echo"
            let response = try await retrying(engine).send(.get(url), options: options)
            #expect(response.info.tries.results == ["503", "101"])
            let duplex = try #require(response.duplex)
            #expect(try await duplex.read() == Bytes("hi"))
            duplex.close()
        }
    }

    /// A dead proxy is passed over without a wait.
    @Test func aDeadProxyIsPassedOver() async throws {
        let server = try LoopbackServer(LoopbackServer.Options(tls: nil))
        let proxy = try LoopbackConnectProxy(LoopbackConnectProxy.Options())
        let dead = try ScriptedPeer([], otherwise: [.close])
        defer {
            server.stop()
            proxy.stop()
            dead.stop()
        }
        try await withEngine { engine in
            let urls = [
                "socks5h://127.0.0.1:\(dead.port)", "http://127.0.0.1:\(proxy.port)",
            ]
            let proxies = try urls.enumerated().map { index, url in
                Choice.proxy("proxy-\(index)", .proxy(try ProxyEndpoint(parsing: url)))
            }
            let rotating = try Rotating(over: proxies, engine, clock: clock.clock)
            let response = try await rotating.send(
                .get("http://127.0.0.1:\(server.port)/connection"))
            #expect(response.status == .ok)
            #expect(response.info.tries.map(\.choice) == ["proxy-0", "proxy-1"])
            #expect(rotating.state().map(\.failures) == [1, 0])
        }
    }
}
