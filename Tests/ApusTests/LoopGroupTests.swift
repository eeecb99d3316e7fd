import Apus
import Loopback
import Testing

/// Engines that share threads share nothing else.
@Suite(.timeLimit(.minutes(5))) struct LoopGroupTests {
    @Test func sixtyFourEnginesOnOneThreadKeepTheirPoolsApart() async throws {
        let server = try LoopbackServer()
        let group = try LoopGroup(threads: 1)
        let engines = try (0..<64).map { _ in try TransportEngine(.executor, group: group) }
        let threads = Set(engines.map { ObjectIdentifier($0.taskExecutor as AnyObject) })
        #expect(threads.count == 1)
        for engine in engines + engines {
            let url = "http://127.0.0.1:\(server.port)/bytes/1000"
            #expect(try await checkPattern(engine.send(.get(url)).body) == 1000)
        }
        #expect(server.counters.connectionsAccepted == 64)
        for engine in engines.dropFirst() { await engine.shutdown() }
        // One engine's end leaves the threads to the others.
        let last = try await engines[0].send(.get("http://127.0.0.1:\(server.port)/"))
        #expect(last.info.isReused)
        _ = try await last.body.collect(upTo: 100)
        await engines[0].shutdown()
        #expect(descriptors(connectedTo: server.port) == 0)
        server.stop()
    }

    @Test func anEngineOutlivesTheLastMentionOfItsGroup() async throws {
        let server = try LoopbackServer()
        var engine: TransportEngine? = try TransportEngine(group: try LoopGroup(threads: 2))
        let url = "http://127.0.0.1:\(server.port)/bytes/2000000"
        let response = try await engine?.send(.get(url))
        engine = nil
        let body = try #require(response?.body)
        #expect(try await checkPattern(body) == 2_000_000)
        try await eventually("its connection is closed") {
            descriptors(connectedTo: server.port) == 0
        }
        server.stop()
    }

    @Test func itsThreadsEndWithTheLastWhoHoldsThem() async throws {
        let server = try LoopbackServer()
        let url = "http://127.0.0.1:\(server.port)/"
        let threads: LoopThreads
        do {
            let group = try LoopGroup(threads: 2)
            do {
                let engine = try TransportEngine(relaxedTuning, group: group)
                threads = await LoopThreads(of: engine, threads: 2)
                _ = try await engine.send(.get(url)).body.collect(upTo: 100)
            }
            try await eventually("the dropped engine is gone") {
                descriptors(connectedTo: server.port) == 0
            }
            let engine = try TransportEngine(relaxedTuning, group: group)
            _ = try await engine.send(.get(url)).body.collect(upTo: 100)
            await engine.shutdown()
            #expect(threads.alive == 2)
            withExtendedLifetime(group) {}
        }
        try await eventually("its threads have ended") { threads.alive == 0 }
        server.stop()
    }

    @Test(arguments: [0, -1, 257])
    func aNumberOfThreadsOutOfRangeIsRefused(_ threads: Int) {
        #expect(throws: InvalidTuning.self) { try LoopGroup(threads: threads) }
    }
}
