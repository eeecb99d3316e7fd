import Apus
import ApusDial
import ApusSocket
import Loopback
import Testing

/// Row 90: cancelled at each wait of the dial, however it goes; held there by a hook, which lets go
/// when the dial's task is cancelled.
@Suite(.timeLimit(.minutes(5))) struct DialCancellationTests {
    /// Each shape of a dial.
    enum Shape: String, CaseIterable, Sendable {
        case http, https, http2, throughHTTP, throughHTTPS, throughHTTP2, throughSOCKS
        case throughSOCKS4a, throughChain, namesApart, verified

        var isInTheClear: Bool { self == .http || self == .namesApart }

        /// What is waited for, in order.
        var phases: [String] {
            switch self {
            case .http, .namesApart: ["dns", "connect"]
            case .https, .http2, .verified: ["dns", "connect", "tls"]
            case .throughHTTP, .throughSOCKS4a: ["dns", "connect", "proxy", "tls"]
            case .throughHTTPS, .throughHTTP2: ["dns", "connect", "tls", "proxy", "tls"]
            case .throughSOCKS: ["dns", "connect", "dns", "proxy", "tls"]
            case .throughChain: ["dns", "connect", "proxy", "tls"]
            }
        }
    }

    /// The caller goes, and its dial with it.
    @Test(
        "R17, row 90: a caller cancelled at the k-th wait of its dial", arguments: Shape.allCases)
    func theCallerIsCancelled(_ shape: Shape) async throws {
        var tuning = relaxedTuning
        tuning.pool.dialGrace = nil
        try await atEveryWait(of: shape, tuning) { held, engine, ground in
            let task = Task { try await fetch(ground.client(engine), ground.url) }
            guard await held.isReached(orEnded: task) else { return false }
            task.cancel()
            let error = await transportError { _ = try await task.value }
            #expect(error?.kind == .cancelled, "\(String(describing: error))")
            #expect(error?.replay == .notSent)
            #expect(engine.snapshot().waiting == 0)
            #expect(engine.snapshot().connections == 0)
            #expect(engine.snapshot().counters.abandonedDials == 1)
            try await eventually("its socket is closed") {
                descriptors(connectedTo: ground.port) == 0
            }
            #expect(ground.server.counters.requests == 0)
            try await expectStatus(200, ground.client(engine), ground.url)
            #expect(engine.snapshot().connections == 1)
            return true
        }
    }

    /// The caller is cancelled, but its dial continues: another request waits.
    @Test(
        "row 90: the dial of a caller who is cancelled serves the next", arguments: Shape.allCases)
    func theNextIsServed(_ shape: Shape) async throws {
        var tuning = relaxedTuning
        tuning.pool.maxConnectionsPerHost = 1
        try await atEveryWait(of: shape, tuning) { held, engine, ground in
            let task = Task { try await fetch(ground.client(engine), ground.url) }
            guard await held.isReached(orEnded: task) else { return false }
            let next = Task { try await fetch(ground.client(engine), ground.url) }
            try await eventually("both wait") { engine.snapshot().waiting == 2 }
            task.cancel()
            #expect(await transportError { _ = try await task.value }?.kind == .cancelled)
            held.goOn.open()
            #expect(try await next.value == 200)
            #expect(ground.server.counters.connectionsAccepted == 1)
            #expect(engine.snapshot().counters.abandonedDials == 0)
            return true
        }
    }

    /// The caller goes, its dial does not for a while: what comes of it serves the next one.
    @Test("row 90: a dial whose caller is cancelled has its grace", arguments: Shape.allCases)
    func theDialHasItsGrace(_ shape: Shape) async throws {
        try await atEveryWait(of: shape) { held, engine, ground in
            let task = Task { try await fetch(ground.client(engine), ground.url) }
            guard await held.isReached(orEnded: task) else { return false }
            task.cancel()
            #expect(await transportError { _ = try await task.value }?.kind == .cancelled)
            #expect(engine.snapshot().dialling == 1)
            held.goOn.open()
            try await expectStatus(200, ground.client(engine), ground.url)
            #expect(ground.server.counters.connectionsAccepted == 1)
            #expect(engine.snapshot().connections == 1)
            return true
        }
    }

    /// The dial itself is cancelled: by the engine's end, while it is held.
    @Test("row 90: a dial cancelled at its k-th wait closes its socket", arguments: Shape.allCases)
    func theDialIsCancelled(_ shape: Shape) async throws {
        try await atEveryWait(of: shape) { held, engine, ground in
            let task = Task { try await fetch(ground.client(engine), ground.url) }
            guard await held.isReached(orEnded: task) else { return false }
            let shutdown = Task { await engine.shutdown() }
            let error = await transportError { _ = try await task.value }
            #expect(error?.kind == .shutdown, "\(String(describing: error))")
            // The hook lets go when the dial's task is cancelled, and the engine waits for it.
            _ = await shutdown.value
            expectEmpty(engine)
            #expect(descriptors(connectedTo: ground.port) == 0)
            #expect(ground.server.counters.requests == 0)
            return true
        }
    }

    /// Repeats with each k until the dial has no k-th wait.
    private func atEveryWait(
        of shape: Shape, _ tuning: EngineTuning = relaxedTuning,
        _ body: (HeldDial, TransportEngine, Ground) async throws -> Bool
    ) async throws {
        var tuning = tuning
        if shape == .verified { tuning.tls.verifier = PeerVerifier { _ async in .accept } }
        var met: Set<String> = []
        // A peer that was quicker than a wait is given another turn.
        for _ in 0..<10 where met != Set(shape.phases) {
            let waits = try await waits(of: shape, tuning, &met, body)
            #expect((2..<40).contains(waits))
        }
        #expect(met == Set(shape.phases))
    }

    /// Holds the dial at each of its waits in turn; how many there were.
    private func waits(
        of shape: Shape, _ tuning: EngineTuning, _ met: inout Set<String>,
        _ body: (HeldDial, TransportEngine, Ground) async throws -> Bool
    ) async throws -> Int {
        for number in 0..<40 {
            let ground = try Ground(shape)
            let held = HeldDial(at: number)
            var hooks = DialHooks()
            hooks.beforeWait = { phase in await held.waitBegins(phase) }
            let resolver: any Resolver =
                shape == .namesApart ? ApartResolver() : StubResolver("127.0.0.1")
            var wasHeld = false
            try await withEngine(
                tuning, resolver: resolver, hooks: hooks, ports: [ground.port]
            ) { engine in
                wasHeld = try await body(held, engine, ground)
            }
            ground.stop()
            expectInOrder(held.phases, of: shape)
            met.formUnion(held.phases)
            guard wasHeld else { return number }
        }
        return 40
    }

    /// A peer may be so quick that a wait is left out, and one wait may take several turns.
    private func expectInOrder(_ phases: [String], of shape: Shape) {
        var expected = shape.phases[...]
        for phase in phases where phase != expected.first {
            expected = expected.drop { $0 != phase }
            #expect(expected.first == phase, "\(phases)")
        }
    }
}

/// Each family is looked up by itself; IPv6 has nothing.
private struct ApartResolver: Resolver {
    let splitsFamilies = true

    func resolve(host: String, port: UInt16) async throws(ResolveError) -> [SocketAddress] {
        SocketAddress(literal: "127.0.0.1", port: port).map { [$0] } ?? []
    }
}

/// Holds a dial before one of its waits.
private final class HeldDial: Sendable {
    let goOn = DialGate()
    private let reached = DialGate()
    private let ended = DialGate()
    private let place: Int
    private let seen = DialRecorder()

    var phases: [String] { seen.list }

    init(at place: Int) {
        self.place = place
    }

    func waitBegins(_ phase: TransportError.Phase) async {
        // What comes afterwards may be another dial's.
        guard !reached.isOpen, seen.add(phase.rawValue) == place else { return }
        reached.open()
        await goOn.wait()
    }

    /// Whether the dial came to its place, and did not end before.
    func isReached(orEnded task: Task<Int, any Error>) async -> Bool {
        let watch = Task {
            _ = await task.result
            // In this order: each one that wakes checks the other.
            ended.open()
            reached.open()
        }
        await reached.wait()
        if ended.isOpen { await watch.value }
        return !ended.isOpen
    }
}

/// An origin, and a proxy where the shape has one.
private struct Ground {
    let server: LoopbackServer
    private let proxy: LoopbackConnectProxy?
    private let socks: LoopbackSOCKSProxy?
    private let http2: LoopbackHTTP2Proxy?
    private let shape: DialCancellationTests.Shape

    init(_ shape: DialCancellationTests.Shape) throws {
        try FixturePaths.ensureCertificates()
        self.shape = shape
        let leaf = FixturePaths.certificate("leaf")
        server = try LoopbackServer(.init(tls: shape.isInTheClear ? nil : leaf))
        var options = LoopbackConnectProxy.Options()
        if shape == .throughHTTPS { options.tls = leaf }
        let proxies: [DialCancellationTests.Shape] = [.throughHTTP, .throughHTTPS, .throughChain]
        proxy = proxies.contains(shape) ? try LoopbackConnectProxy(options) : nil
        let socksProxies: [DialCancellationTests.Shape] = [
            .throughSOCKS, .throughSOCKS4a, .throughChain,
        ]
        socks = socksProxies.contains(shape) ? try LoopbackSOCKSProxy() : nil
        http2 = shape == .throughHTTP2 ? try LoopbackHTTP2Proxy() : nil
    }

    /// What the engine itself connects to.
    var port: UInt16 { proxy?.port ?? http2?.port ?? socks?.port ?? server.port }
    var url: String { "\(shape.isInTheClear ? "http" : "https")://example.test:\(server.port)/" }

    func client(_ engine: TransportEngine) throws -> ExecutorClient {
        var setting = ProxySetting.direct
        switch shape {
        case .throughHTTP: setting = try ProxySetting(parsing: "http://example.test:\(port)")
        case .throughChain:
            setting = .chain([
                try ProxyEndpoint(parsing: "http://example.test:\(port)"),
                try ProxyEndpoint(parsing: "socks5h://example.test:\(socks?.port ?? 0)"),
            ])
        case .throughSOCKS4a: setting = try ProxySetting(parsing: "socks4a://example.test:\(port)")
        case .throughHTTP2: setting = try ProxySetting(parsing: "https://example.test:\(port)")
        case .throughHTTPS: setting = try ProxySetting(parsing: "https://example.test:\(port)")
        case .throughSOCKS: setting = try ProxySetting(parsing: "socks5://example.test:\(port)")
        case .http, .https, .http2, .namesApart, .verified: break
        }
        let versions: HTTPVersionPolicy = shape == .http2 ? .http2Only : .http1Only(alpn: .http1)
        return ExecutorClient(engine, proxy: setting, versions: versions)
    }

    func stop() {
        proxy?.stop()
        socks?.stop()
        http2?.stop()
        server.stop()
    }
}
