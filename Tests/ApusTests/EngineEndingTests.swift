import Apus
import Loopback
import Testing

/// More than waits unread on its way, so that its exchange goes on until somebody reads.
private let large = 16 << 20

/// Rows 92 and 93: the end of an engine, wherever its requests are.
@Suite(.timeLimit(.minutes(5))) struct EngineEndingTests {
    /// Where a request can be when the end comes.
    enum State: String, CaseIterable, Sendable {
        case inTheProxyHandshake, inTheTLSHandshake, waiting, sendingTheBody, awaitingTheHead
        case readingTheBody
    }

    @Test("row 92: a hard end fails a request in every state", arguments: State.allCases)
    func row92_hardEnd(_ state: State) async throws {
        let scene = try await Scene(state)
        await scene.engine.shutdown()
        let error = await transportError { try await scene.request.value }
        #expect(error?.kind == .shutdown)
        #expect(descriptors(connectedTo: scene.port) == 0)
        let snapshot = scene.engine.snapshot()
        #expect(snapshot.connections == 0 && snapshot.waiting == 0 && snapshot.exchanges == 0)
        scene.stop()
    }

    @Test("row 92: a graceful end refuses those who wait, and cuts no one else")
    func row92_gracefulEnd() async throws {
        var tuning = EngineTuning.executor
        tuning.pool.maxConnectionsPerHost = 1
        tuning.pool.acquireTimeout = nil
        try await withStand(.http1, tuning: tuning) { stand in
            let first = try await stand.get("/bytes/\(large)")
            let waiting = Task { _ = try await stand.get("/") }
            try await eventually("one waits") { stand.engine.snapshot().waiting == 1 }
            let end = Task { await stand.engine.shutdown(drain: .seconds(60)) }
            #expect(await transportError { try await waiting.value }?.kind == .shutdown)
            #expect(try await checkPattern(first.body) == large)
            #expect(await end.value.isEmpty)
            let late = await transportError { _ = try await stand.get("/") }
            #expect(late?.kind == .shutdown)
        }
    }

    @Test("row 92: asked twice, it ends as early as anybody wants", arguments: Way.allCases)
    func row92_twice(_ way: Way) async throws {
        try await withStand(way) { stand in
            let response = try await stand.get("/endless")
            let body = response.body.makeAsyncIterator()
            _ = try await body.next()
            let patient = Task { await stand.engine.shutdown(drain: .seconds(600)) }
            try await eventually("the end has begun") {
                stand.engine.snapshot().connectionEntries.first?.state == .draining
            }
            #expect(await stand.engine.shutdown(drain: .zero).isEmpty)
            #expect(descriptors(connectedTo: stand.server.port) == 0)
            #expect(await patient.value.count == 1)
            #expect(await stand.engine.shutdown().isEmpty)
        }
    }

    @Test("row 93: what is in flight outlives an engine that is dropped", arguments: Way.allCases)
    func row93_dropped(_ way: Way) async throws {
        try await withStand(way) { stand in
            let chronicle = Chronicle()
            do {
                let (endless, response) = try await streams(of: stand, chronicle)
                let connections = way.isHTTP2 ? 1 : 2
                try await eventually("the drop is told") {
                    chronicle.words.last == "dropped with \(connections) connections, 2 exchanges"
                }
                #expect(try await checkPattern(response.body) == large)
                let body = endless.body.makeAsyncIterator()
                #expect(try await body.next() != nil)
            }
            try await eventually("what was dropped is closed") {
                descriptors(connectedTo: stand.server.port) == 0
            }
        }
    }

    @Test("row 93: an engine that was shut down is not told as dropped")
    func row93_notDropped() async throws {
        let chronicle = Chronicle()
        do {
            let engine = try TransportEngine(.default, observer: chronicle)
            await engine.shutdown()
        }
        #expect(chronicle.words == ["shutdown started", "shutdown finished, 0 cut"])
    }

    /// Two responses whose engine is gone.
    private func streams(
        of stand: Stand, _ chronicle: Chronicle
    ) async throws -> (Response, Response) {
        var tuning = EngineTuning.executor
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        let engine = try TransportEngine(tuning, observer: chronicle)
        let client = ExecutorClient(engine, versions: stand.way.versions)
        let endless = try await client.send(.get(stand.url("/endless")))
        let whole = try await client.send(.get(stand.url("/bytes/\(large)")))
        return (endless, whole)
    }
}

/// A request in a given state, its engine and its peer.
private struct Scene {
    let engine: TransportEngine
    let request: Task<Void, any Error>
    let port: UInt16
    let stop: () -> Void

    init(_ state: EngineEndingTests.State) async throws {
        var tuning = EngineTuning.executor
        tuning.pool.maxConnectionsPerHost = 1
        tuning.relaxBudgets()
        let engine = try TransportEngine(tuning)
        self.engine = engine
        switch state {
        case .inTheProxyHandshake, .inTheTLSHandshake, .sendingTheBody:
            let peer = try ScriptedPeer(everyConnection: [.silence])
            port = peer.port
            stop = { peer.stop() }
            let url = "\(state == .sendingTheBody ? "http" : "https")://127.0.0.1:\(peer.port)/"
            let proxy =
                state == .inTheProxyHandshake
                ? try ProxySetting(parsing: "socks5h://127.0.0.1:\(peer.port)") : .direct
            let body: RequestBody =
                state == .sendingTheBody
                ? .bytes(Bytes([UInt8](repeating: 7, count: 32 << 20))) : .empty
            request = Task {
                _ = try await ExecutorClient(engine, proxy: proxy).send(.post(url), body: body)
            }
            #expect(await peer.connections(1))
        case .waiting, .awaitingTheHead, .readingTheBody:
            let server = try LoopbackServer(LoopbackServer.Options(tls: nil))
            port = server.port
            stop = { server.stop() }
            let url = "http://127.0.0.1:\(server.port)"
            if state == .waiting {
                Task { _ = try await engine.send(.get(url + "/hang")) }
                try await eventually("it hangs") { server.counters.currentRequests == 1 }
            }
            let path = state == .readingTheBody ? "/head-then-hang" : "/hang"
            request = Task {
                let response = try await engine.send(.get(url + path))
                _ = try await response.body.collect(upTo: 1 << 20)
            }
            try await eventually("the state is reached") {
                state == .waiting
                    ? engine.snapshot().waiting == 1 : server.counters.currentRequests == 1
            }
        }
    }
}
