import Apus
import Loopback
import Testing

/// Cancelling a task frees whatever its request held, wherever it was.
@Suite(.timeLimit(.minutes(5))) struct CancellationTests {
    /// R22: cancellation can be matched.
    @Test func inTheDial() async throws {
        // The proxy accepts and never answers, so the dial stays in its handshake.
        var options = LoopbackConnectProxy.Options()
        options.isSilent = true
        let proxy = try LoopbackConnectProxy(options)
        var tuning = relaxedTuning
        tuning.pool.dialGrace = .milliseconds(10)
        let engine = try TransportEngine(tuning)
        let client = ExecutorClient(
            engine, proxy: try ProxySetting(parsing: "http://127.0.0.1:\(proxy.port)"))
        let task = Task { try await client.send(.get("https://origin.test/")) }
        try await eventually("the proxy is reached") { proxy.counters.connectionsOpen == 1 }
        task.cancel()
        let error = await transportError { _ = try await task.value }
        #expect(error?.kind == .cancelled)
        #expect(engine.snapshot().waiting == 0)
        try await eventually("its socket is closed") { descriptors(connectedTo: proxy.port) == 0 }
        await engine.shutdown()
        proxy.stop()
    }

    @Test func inTheTLSHandshake() async throws {
        let peer = try ScriptedPeer(everyConnection: [.silence])
        var tuning = relaxedTuning
        tuning.pool.dialGrace = nil
        let engine = try TransportEngine(tuning)
        let task = Task { try await engine.send(.get("https://127.0.0.1:\(peer.port)/")) }
        #expect(await peer.connections(1))
        task.cancel()
        let error = await transportError { _ = try await task.value }
        #expect(error?.kind == .cancelled)
        try await eventually("its socket is closed") { descriptors(connectedTo: peer.port) == 0 }
        await engine.shutdown()
        peer.stop()
    }

    @Test(arguments: ProtocolVariant.allCases)
    func whileTheHeadIsAwaited(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let task = Task { try await stand.get("/hang") }
            try await expectCancellation(of: task, on: stand)
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func whileTheBodyIsRead(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let task = Task {
                let response = try await stand.get("/head-then-hang")
                var received = 0
                for try await chunk in response.body { received += chunk.count }
                return received
            }
            try await expectCancellation(of: task, on: stand)
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func beforeItBegins(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await stand.get("/")
            }
            let error = await transportError { _ = try await task.value }
            #expect(error?.kind == .cancelled)
            let next = try await stand.get("/")
            #expect(next.status == .ok)
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func afterATimeout(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            for path in ["/hang", "/head-then-hang"] {
                let error = await transportError {
                    var options = RequestOptions()
                    options.totalTimeout = .milliseconds(50)
                    let response = try await stand.client.send(
                        .get(stand.url(path)), options: options)
                    for try await _ in response.body {}
                }
                #expect(error?.kind == .timeout)
            }
            try await expectNothingLeft(on: stand)
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func aHundredAtRandomPointsLeaveNoResource(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            var generator = SplitMix(seed: 42)
            for _ in 0..<100 {
                let task = Task {
                    let response = try await stand.get("/sse?n=200&size=100")
                    var received = 0
                    for try await chunk in response.body { received += chunk.count }
                    return received
                }
                for _ in 0..<Int(generator.next() % 40) { await Task.yield() }
                task.cancel()
                switch await task.result {
                case .success: break
                case .failure(let error as TransportError): #expect(error.kind == .cancelled)
                case .failure(let error): Issue.record("another error: \(error)")
                }
            }
            try await expectNothingLeft(on: stand)
        }
    }

    /// Cancels a request that has reached the origin, and checks for remaining resources.
    private func expectCancellation<Success: Sendable>(
        of task: Task<Success, any Error>, on stand: Stand
    ) async throws {
        try await eventually("the request is at the origin") {
            stand.server.counters.currentRequests == 1
        }
        task.cancel()
        let error = await transportError { _ = try await task.value }
        #expect(error?.kind == .cancelled)
        try await expectNothingLeft(on: stand)
    }

    private func expectNothingLeft(on stand: Stand) async throws {
        try await eventually("no exchange is left in the engine") {
            stand.engine.snapshot().exchanges == 0 && stand.engine.snapshot().waiting == 0
        }
        try await eventually("no request is left at the origin") {
            stand.server.counters.currentRequests == 0
        }
        if stand.variant.isHTTP2 { #expect(stand.server.counters.connectionsAccepted <= 1) }
        #expect(try await checkPattern(stand.get("/bytes/100").body) == 100)
    }
}

/// A small seeded generator, so that a failure can be repeated.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
