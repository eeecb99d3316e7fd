import Apus
import Loopback
import Testing

/// More bytes than all buffers hold, so that its exchange continues until a reader starts.
private let large = 16 << 20

/// Rows 92 and 93: the end of an engine, wherever its requests are.
@Suite(.timeLimit(.minutes(5))) struct ShutdownStateTests {
    // Nothing here is measured: the engine's own events show the order, and the end itself returns
    // when connections and threads are gone.

    @Test(
        "row 92: a hard end fails a request in every state", arguments: ProtocolVariant.allCases,
        EndingScene.State.allCases)
    func row92_hardEnd(_ variant: ProtocolVariant, _ state: EndingScene.State) async throws {
        let scene = try await EndingScene(variant, state)
        let cut = await scene.engine.shutdown()
        #expect(cut.count == 1)
        let error = await transportError { _ = try await scene.request.value }
        #expect(error?.kind == .shutdown)
        #expect(error?.phase == state.phase)
        #expect(scene.events.words(ofExchange: scene.exchange).last == "failed: shutdown")
        #expect(
            scene.order(of: "shutdown started", "closed: shutdown", "shutdown finished, 1 cut"))
        await scene.expectNothingLeft()
    }

    @Test(
        "row 92: a graceful end lets a request in flight finish, in every state",
        arguments: ProtocolVariant.allCases,
        [EndingScene.State.sendingTheBody, .awaitingTheHead, .readingTheBody])
    func row92_gracefulEnd(_ variant: ProtocolVariant, _ state: EndingScene.State) async throws {
        let scene = try await EndingScene(variant, state)
        let end = Task { await scene.engine.shutdown(drain: .seconds(600)) }
        try await eventually("the end has begun") { scene.isDraining }
        #expect(await transportError { _ = try await scene.send() }?.kind == .shutdown)
        #expect(scene.threads.alive == 1)
        scene.goOn()
        #expect(try await scene.request.value == "half")
        #expect(await end.value.isEmpty)
        // Its caller's task reports the completion, which the end does not wait for.
        #expect(scene.order(of: "shutdown started", "completed"))
        #expect(
            scene.order(of: "shutdown started", "closed: shutdown", "shutdown finished, 0 cut"))
        let words = scene.events.words(ofExchange: scene.exchange)
        #expect(words.suffix(2) == ["status 200", "completed"])
        await scene.expectNothingLeft()
    }

    @Test(
        "row 92: a graceful end refuses those who wait, and cuts no one else",
        arguments: ProtocolVariant.allCases)
    func row92_gracefulEndOfAWait(_ variant: ProtocolVariant) async throws {
        let scene = try await EndingScene(variant, .waiting)
        let end = Task { await scene.engine.shutdown(drain: .seconds(600)) }
        let error = await transportError { _ = try await scene.request.value }
        #expect(error?.kind == .shutdown)
        #expect(error?.phase == .pool)
        scene.goOn()
        #expect(try await scene.holder?.value == "half")
        #expect(await end.value.isEmpty)
        #expect(scene.order(of: "shutdown started", "completed"))
        #expect(
            scene.order(of: "shutdown started", "closed: shutdown", "shutdown finished, 0 cut"))
        await scene.expectNothingLeft()
    }

    /// Where a dial can be when the end comes.
    enum Dial: String, CaseIterable, Sendable {
        case inTheProxyHandshake, inTheTLSHandshake
    }

    @Test(
        "row 92: an end, patient or not, waits for no dial", arguments: Dial.allCases,
        [Duration.zero, .seconds(600)])
    func row92_endOfADial(_ dial: Dial, _ drain: Duration) async throws {
        let peer = try ScriptedPeer(everyConnection: [.readUntilEnd])
        let chronicle = Chronicle()
        let engine = try TransportEngine(relaxedTuning, observer: chronicle)
        let threads = await LoopThreads(of: engine)
        let proxy =
            dial == .inTheProxyHandshake
            ? try ProxySetting(parsing: "socks5h://127.0.0.1:\(peer.port)") : .direct
        let client = ExecutorClient(engine, proxy: proxy)
        let request = Task { try await client.send(.get("https://127.0.0.1:\(peer.port)/")) }
        #expect(await peer.connection(0) { !$0.received.isEmpty })
        #expect(await engine.shutdown(drain: drain).isEmpty)
        #expect(await transportError { _ = try await request.value }?.kind == .shutdown)
        #expect(
            await transportError { _ = try await client.send(.get("http://a/")) }?.kind
                == .shutdown)
        #expect(chronicle.words(ofConnection: 0).last?.hasPrefix("dial failed: ") == true)
        #expect(chronicle.words(ofExchange: 1).last == "failed: shutdown")
        #expect(threads.alive == 0)
        #expect(descriptors(connectedTo: peer.port) == 0)
        expectEmpty(engine)
        peer.stop()
    }

    @Test("row 92: of two calls, the earlier deadline counts", arguments: ProtocolVariant.allCases)
    func row92_twice(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
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

    @Test(
        "row 93: what is in flight outlives an engine that is dropped",
        arguments: ProtocolVariant.allCases)
    func row93_dropped(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let chronicle = Chronicle()
            do {
                let (endless, response) = try await streams(of: stand, chronicle)
                let connections = variant.isHTTP2 ? 1 : 2
                try await eventually("the release is reported") {
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

    @Test("row 93: an engine that was shut down is not reported as released")
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
        let client = ExecutorClient(engine, versions: stand.variant.versions)
        let endless = try await client.send(.get(stand.url("/endless")))
        let whole = try await client.send(.get(stand.url("/bytes/\(large)")))
        return (endless, whole)
    }
}
