import Apus
import LoopFixtures
import Loopback
import Testing

/// One proxy that fails, and many credentials over it: incidents E3 and E4.
@Suite(.timeLimit(.minutes(5))) struct ProxyHealthIncidentTests {
    /// No route's own pause, so that nothing but the proxy's health holds dials back.
    private static let tuning: EngineTuning = {
        var tuning = relaxedTuning
        tuning.pool.dialBackoff = nil
        return tuning
    }()

    private struct Scene {
        let engine: TransportEngine
        let chronicle: Chronicle
        let origin: LoopbackServer
        var url: String { "https://localhost:\(origin.port)/" }
        var target: String { "localhost:\(origin.port)" }

        /// A client of one credential, over a proxy.
        func client(_ credential: Int, over port: UInt16) throws -> ExecutorClient {
            let proxy = "http://u\(credential):x@127.0.0.1:\(port)"
            return ExecutorClient(
                engine, proxy: try ProxySetting(parsing: proxy),
                isolation: IsolationScope("c\(credential)"), versions: .http1Only(alpn: .http1))
        }

        /// The error of a request of this credential, which never left.
        func failure(_ credential: Int, over port: UInt16) async throws -> TransportError? {
            let client = try client(credential, over: port)
            let error = await dialError(client, url)
            #expect(error?.hop == .proxy && error?.advice == .sendAgainElsewhere)
            #expect(error?.description.contains("u\(credential):x") == false)
            return error
        }

        func entry(of port: UInt16) -> EngineSnapshot.ProxyEntry? {
            engine.snapshot().proxies.first { $0.proxy == "http://127.0.0.1:\(port)" }
        }
    }

    private func play(
        _ tune: (inout EngineTuning) -> Void, _ body: (Scene) async throws -> Void
    ) async throws {
        let origin = try secureOrigin()
        defer { origin.stop() }
        var tuning = Self.tuning
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        tune(&tuning)
        let chronicle = Chronicle()
        let engine = try TransportEngine(tuning, observer: chronicle)
        do {
            try await body(Scene(engine: engine, chronicle: chronicle, origin: origin))
        } catch {
            await engine.shutdown()
            throw error
        }
        await engine.shutdown()
    }

    private func isHeldBack(_ error: TransportError?) -> Bool {
        error?.message.hasPrefix("the proxy http://127.0.0.1:") == true
            && error?.message.contains(" is failing") == true
    }

    /// The pause doubles with each probe, so the number of dials is bounded however slow it goes.
    @Test(
        "E4: fifty credentials over a proxy that fails cost a handful of dials, and all go again",
        arguments: LoopbackConnectProxy.Outage.allCases)
    func fiftyCredentialsOverAFailingProxy(_ outage: LoopbackConnectProxy.Outage) async throws {
        let isOut = Guarded(true)
        var options = LoopbackConnectProxy.Options()
        options.outage = { isOut.withLock { $0 } ? outage : nil }
        let bad = try LoopbackConnectProxy(options)
        defer { bad.stop() }
        let good = try LoopbackConnectProxy()
        defer { good.stop() }
        try await play({ $0.pool.proxyBackoff = .milliseconds(100) }) { scene in
            var heldBack = 0
            for credential in 0..<50 {
                let error = try await scene.failure(credential, over: bad.port)
                #expect(error?.kind == .proxyFailed && error?.phase == .proxy)
                if isHeldBack(error) { heldBack += 1 }
                try await expectStatus(200, scene.client(credential, over: good.port), scene.url)
            }
            let dials = bad.counters.connections
            #expect(dials <= 14 && heldBack >= 36 && dials + heldBack == 50)
            // The origin may have been at fault, so other origins are not held back.
            #expect(scene.entry(of: bad.port)?.failingTargets == [scene.target])
            #expect(scene.entry(of: bad.port)?.state == .doubtful)
            #expect(scene.entry(of: bad.port)?.dials == dials)
            #expect(scene.entry(of: good.port)?.state == .healthy)
            #expect(scene.entry(of: good.port)?.opened == 50)

            isOut.withLock { $0 = false }
            let first = try scene.client(0, over: bad.port)
            while (try? await fetch(first, scene.url)) == nil {
                try await Task.sleep(for: .milliseconds(10))
            }
            for credential in 0..<50 {
                try await expectStatus(200, scene.client(credential, over: bad.port), scene.url)
            }
            let entry = scene.entry(of: bad.port)
            #expect(entry?.state == .healthy && entry?.failingTargets == [])
            #expect(entry?.opened == 50 && entry?.handshakeSeconds != nil)
            let evidence = outage == .ends ? "brokenOff" : "openedThenClosed"
            #expect(
                scene.chronicle.words.filter { $0.hasPrefix("proxy ") } == [
                    "proxy failing to a target: \(evidence) \(evidence)",
                    "proxy recovered to a target",
                ])
        }
    }

    @Test("E4: a proxy that refuses connections fails for every origin, until it is forgotten")
    func aProxyThatRefusesConnections() async throws {
        let refusing = try RefusingPort()
        let port = refusing.port
        try await play({ $0.pool.proxyBackoff = .seconds(600) }) { scene in
            for credential in 0..<50 {
                let client = try scene.client(credential, over: port)
                let error = await dialError(client, "https://origin-\(credential % 5).test/")
                #expect(error?.kind == .connect(errno: 111) && error?.hop == .proxy)
                #expect(isHeldBack(error) == (credential > 1))
            }
            #expect(scene.engine.snapshot().counters.dials == 2)
            #expect(scene.engine.snapshot().counters.refusals == 48)
            let entry = scene.entry(of: port)
            #expect(entry?.state == .failing && entry?.failures(.unreachable) == 2)
            #expect(entry?.secondsToProbe ?? 0 > 0)
            // No request waits for it, however patient.
            var patient = RequestOptions.patient
            patient.proxy = try ProxySetting(parsing: "http://127.0.0.1:\(port)")
            #expect(isHeldBack(await dialError(scene.engine, scene.url, options: patient)))
            scene.engine.drain { $0.proxies.contains { $0.port == port } }
            #expect(scene.engine.snapshot().proxies.isEmpty)
            #expect(isHeldBack(try await scene.failure(1, over: port)) == false)
            #expect(scene.engine.snapshot().counters.dials == 3)
        }
        withExtendedLifetime(refusing) {}
    }

    @Test("E4: one dial probes, and all others fail at once while it does")
    func oneDialProbes() async throws {
        let refusal = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
        let proxy = try ScriptedPeer(
            [
                [.close], [.close],
                [.expectHead, .waitForSignal("go"), .sendText(refusal), .readUntilEnd],
            ], otherwise: [.expectHead, .sendText(refusal), .readUntilEnd])
        defer { proxy.stop() }
        try await play({ $0.pool.proxyBackoff = .nanoseconds(1) }) { scene in
            for credential in 0..<2 {
                #expect(try await scene.failure(credential, over: proxy.port) != nil)
            }
            let port = proxy.port
            let errors = try await withThrowingTaskGroup(of: TransportError?.self) { group in
                for credential in 0..<50 {
                    group.addTask { try await scene.failure(credential, over: port) }
                }
                var errors: [TransportError?] = []
                for _ in 0..<49 {
                    if let next = try await group.next() { errors.append(next) }
                }
                proxy.release("go")
                if let last = try await group.next() { errors.append(last) }
                return errors
            }
            #expect(errors.prefix(49).allSatisfy { isHeldBack($0) })
            #expect(errors.last??.kind == .proxyStatus(502))
            #expect(proxy.connectionCount == 3)
            // An answer shows that the proxy works.
            #expect(try await scene.failure(7, over: port)?.kind == .proxyStatus(502))
            #expect(proxy.connectionCount == 4)
        }
    }

    @Test("E4: open connections through a failing proxy are used, and no request goes without it")
    func openConnectionsAreUsed() async throws {
        let isOut = Guarded(false)
        var options = LoopbackConnectProxy.Options()
        options.outage = { isOut.withLock { $0 } ? .ends : nil }
        let proxy = try LoopbackConnectProxy(options)
        defer { proxy.stop() }
        try await play({ $0.pool.proxyBackoff = .seconds(600) }) { scene in
            let client = try scene.client(0, over: proxy.port)
            try await expectStatus(200, client, scene.url)
            isOut.withLock { $0 = true }
            for credential in 1...2 { _ = try await scene.failure(credential, over: proxy.port) }
            for _ in 0..<3 { try await expectStatus(200, client, scene.url) }
            // A connection of its own would have to be dialled.
            #expect(isHeldBack(await dialError(client, scene.url, options: .once)))
            #expect(proxy.counters.connections == 3)
            #expect(scene.origin.counters.connectionsAccepted == 1)
        }
    }

    @Test("E4: a proxy that answers is not failing, whatever it says of credentials or targets")
    func answersAreNoFailures() async throws {
        var locked = LoopbackConnectProxy.Options()
        locked.credentials = .init(user: "u0", password: "x")
        let asking = try LoopbackConnectProxy(locked)
        defer { asking.stop() }
        var refusing = LoopbackConnectProxy.Options()
        refusing.refusal = 503
        let limited = try LoopbackConnectProxy(refusing)
        defer { limited.stop() }
        try await play({ $0.pool.proxyBackoff = .seconds(600) }) { scene in
            for credential in 1..<10 {
                let error = try await scene.failure(credential, over: asking.port)
                #expect(error?.kind == .proxyStatus(407))
                let other = try await scene.failure(credential, over: limited.port)
                #expect(other?.kind == .proxyStatus(503))
            }
            try await expectStatus(200, scene.client(0, over: asking.port), scene.url)
            let entry = scene.entry(of: asking.port)
            #expect(entry?.state == .healthy && entry?.failures(.credentialsRefused) == 9)
            #expect(scene.entry(of: limited.port)?.failures(.targetRefused) == 9)
        }
    }

    @Test("E4: each dial is made where the health of proxies is off")
    func itCanBeTurnedOff() async throws {
        let refusing = try RefusingPort()
        try await play({ $0.pool.proxyBackoff = nil }) { scene in
            for credential in 0..<10 {
                let error = try await scene.failure(credential, over: refusing.port)
                #expect(!isHeldBack(error) && error?.kind == .connect(errno: 111))
            }
            #expect(scene.engine.snapshot().counters.dials == 10)
            #expect(scene.entry(of: refusing.port)?.state == .doubtful)
        }
        withExtendedLifetime(refusing) {}
    }

    @Test("E4: a connection that is cut while it carries a response is counted at its proxy")
    func cutsAreCounted() async throws {
        let proxy = try ScriptedPeer([
            [
                .expectHead,
                .sendText("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), .close,
            ]
        ])
        defer { proxy.stop() }
        try await play({ _ in }) { scene in
            let client = try scene.client(0, over: proxy.port)
            let error = await transportError {
                _ = try await client.send(.get("http://origin.test/")).body.collect(upTo: 99)
            }
            #expect(error?.kind == .truncated)
            let entry = scene.entry(of: proxy.port)
            #expect(entry?.failures(.cut) == 1 && entry?.state == .doubtful)
            #expect(entry?.opened == 1 && entry?.secondsToProbe == nil)
        }
    }
}
