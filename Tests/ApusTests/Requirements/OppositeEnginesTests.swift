import Apus
import Loopback
import Testing

/// Two engines whose numbers contradict each other, at the same work at the same time.
@Suite(.timeLimit(.minutes(5))) struct OppositeEnginesTests {
    /// What an engine does, whatever its numbers.
    enum Work: CaseIterable, Sendable {
        case get, upload, events, cancel, drop, burst, scopes, refusal, proxied
    }

    @Test(
        "R8: opposite tunings run the same suite side by side, and neither notices the other",
        arguments: [ProtocolVariant.http1, .http1OverTLS, .http2OverTLS])
    func sideBySide(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let proxy = try LoopbackConnectProxy()
            let engines = try [Self.narrow, Self.wide].map { try TransportEngine($0) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for engine in engines {
                    for work in Work.allCases {
                        group.addTask {
                            for _ in 0..<(isSanitized ? 1 : 3) {
                                try await Self.perform(work, engine, stand, proxy.port)
                            }
                        }
                    }
                    group.addTask {
                        for _ in 0..<50 {
                            #expect(engine.snapshot().idle <= (engine.tuning.pool.maxIdle ?? .max))
                            await Task.yield()
                        }
                    }
                }
                try await group.waitForAll()
            }
            for (engine, tuning) in zip(engines, [Self.narrow, Self.wide]) {
                #expect(engine.tuning == tuning)
                try await eventually("all is over") { engine.snapshot().exchanges == 0 }
            }
            let (narrow, wide) = (engines[0].snapshot(), engines[1].snapshot())
            #expect(narrow.idle == 0 && narrow.reuses == 0)
            #expect(wide.idle > 0 && wide.reuses > 0)
            #expect(stand.engine.snapshot().counters.dials == 0)
            #expect(EngineTuning() == .default)
            for engine in engines { await engine.shutdown() }
            proxy.stop()
        }
    }

    /// Keeps nothing, shares nothing, one of each.
    private static var narrow: EngineTuning {
        var tuning = relaxedTuning
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        tuning.tls.resumption = false
        tuning.pool.maxIdle = 0
        tuning.pool.maxIdlePerHost = 0
        tuning.pool.maxConnectionsPerHost = 1
        tuning.pool.maxRequestsPerConnection = 1
        tuning.pool.learnsIdleTime = false
        tuning.http2.maxStreamsPerConnection = 1
        tuning.http2.streamWindow = 65_535
        tuning.http2.maxStreamWindow = 65_535
        tuning.http2.connectionWindow = 65_535
        tuning.limits.bodyBufferBytes = 1024
        tuning.limits.uploadBufferBytes = 1024
        tuning.limits.drainBytes = 0
        tuning.dial.cacheTime = nil
        return tuning
    }

    /// Keeps and shares whatever it can.
    private static var wide: EngineTuning {
        var tuning = relaxedTuning
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        tuning.eventLoops = 3
        tuning.pool.maxIdle = nil
        tuning.pool.maxIdlePerHost = nil
        tuning.pool.idleTimeout = nil
        tuning.limits.bodyBufferBytes = 8 << 20
        return tuning
    }

    private static func perform(
        _ work: Work, _ engine: TransportEngine, _ stand: Stand, _ proxy: UInt16
    ) async throws {
        let client = ExecutorClient(engine, versions: stand.variant.versions)
        let url = stand.url
        switch work {
        case .get:
            let response = try await client.send(.get(url("/bytes/9000")))
            #expect(try await checkPattern(response.body) == 9000)
        case .upload:
            let body = Bytes([UInt8](repeating: 7, count: 300_000))
            let response = try await client.send(.post(url("/sink")), body: .bytes(body))
            #expect(String(try await response.body.collect(upTo: 100)) == "300000\n")
        case .events:
            var events = EventCounter()
            for try await chunk in try await client.send(.get(url("/sse?n=50"))).body {
                events.add(chunk)
            }
            #expect(events.count == 50)
        case .cancel:
            let task = Task { try await client.send(.get(url("/hang"))) }
            await Task.yield()
            task.cancel()
            #expect(await transportError { _ = try await task.value }?.kind == .cancelled)
        case .drop: _ = try await client.send(.get(url("/endless")))
        case .burst:
            let tasks = (0..<8).map { _ in
                Task { try await checkPattern(client.send(.get(url("/bytes/500"))).body) }
            }
            for task in tasks { #expect(try await task.value == 500) }
        case .scopes:
            for scope in ["a", "b", "a"] as [IsolationScope] {
                let scoped = ExecutorClient(client, isolation: scope)
                #expect(try await fetch(scoped, url("/")) == 200)
            }
        case .refusal: #expect(try await fetch(client, url("/status/503")) == 503)
        case .proxied:
            let through = ExecutorClient(
                client, proxy: try ProxySetting(parsing: "http://127.0.0.1:\(proxy)"))
            #expect(try await fetch(through, url("/bytes/700")) == 200)
        }
    }
}
