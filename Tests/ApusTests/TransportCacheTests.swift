import Apus
import Loopback
import Testing

/// The seven guarantees of the cache, by number.
@Suite(.timeLimit(.minutes(5))) struct TransportCacheTests {
    @Test("guarantee 1: equal keys get the same engine")
    func equalKeysShare() async throws {
        let cache = TransportCache<String>()
        let first = try await cache.transport(for: "a") { try TransportEngine() }
        let second = try await cache.transport(for: "a") {
            Issue.record("made twice")
            return try TransportEngine()
        }
        #expect(first === second)
        #expect(await cache.counts == counts(held: 1, hits: 1, made: 1))
        await first.shutdown()
    }

    @Test("guarantee 2: different keys never share an engine")
    func differentKeysDoNotShare() async throws {
        let cache = TransportCache<Int>()
        var engines: [ObjectIdentifier: TransportEngine] = [:]
        for key in 0..<8 {
            let engine = try await cache.transport(for: key) { try TransportEngine() }
            engines[ObjectIdentifier(engine)] = engine
        }
        #expect(engines.count == 8)
        for engine in engines.values { await engine.shutdown() }
    }

    @Test("guarantee 3: a hundred callers at once make it once")
    func singleFlight() async throws {
        let cache = TransportCache<String>()
        let (made, gate) = (Shared(0), Gate())
        let callers = (0..<100).map { _ in
            Task {
                try await cache.transport(for: "a") {
                    made.change { $0 += 1 }
                    await gate.wait()
                    return try TransportEngine()
                }
            }
        }
        while await cache.counts.making == 0 { await Task.yield() }
        gate.open()
        var engines: Set<ObjectIdentifier> = []
        for caller in callers { engines.insert(ObjectIdentifier(try await caller.value)) }
        #expect(engines.count == 1)
        #expect(made.value == 1)
        #expect(await cache.counts.made == 1)
    }

    @Test("guarantee 4: a failure reaches all who waited, and is not kept")
    func failuresAreNotKept() async throws {
        let cache = TransportCache<String>()
        let gate = Gate()
        let callers = (0..<10).map { _ in
            Task {
                try await cache.transport(for: "a") {
                    await gate.wait()
                    throw InvalidProxy(reason: "fails")
                }
            }
        }
        while await cache.counts.making == 0 { await Task.yield() }
        gate.open()
        for caller in callers {
            await #expect(throws: InvalidProxy.self) { _ = try await caller.value }
        }
        #expect(await cache.counts.held == 0)
        #expect(await cache.counts.failures >= 1)
        let engine = try await cache.transport(for: "a") { try TransportEngine() }
        #expect(await cache.counts.held == 1)
        await engine.shutdown()
    }

    @Test("guarantee 5, R14: forty keys never hold more than four, the one used longest ago goes")
    func boundedUnderChurn() async throws {
        let cache = TransportCache<Int>(capacity: 4)
        let group = try LoopGroup()
        let make: TransportCache<Int>.Make = { try TransportEngine(group: group) }
        let first = try await cache.transport(for: 0, make: make)
        for key in 1..<40 {
            _ = try await cache.transport(for: key, make: make)
            #expect(await cache.counts.held <= 4)
            // Used all the time, so it stays.
            #expect(try await cache.transport(for: 0, make: make) === first)
        }
        #expect(await cache.counts == counts(held: 4, hits: 39, made: 40, evictions: 36))
        #expect(TransportCache<Int>().capacity == 64)
        #expect(TransportCache<Int>(capacity: 0).capacity == 1)
    }

    @Test("guarantee 6: what goes loses its idle connections only")
    func evictionClosesIdleOnly() async throws {
        let server = try LoopbackServer()
        let url = "http://127.0.0.1:\(server.port)"
        let cache = TransportCache<String>(capacity: 1)
        let engine = try await cache.transport(for: "a") { try TransportEngine(.executor) }
        let stream = try await engine.send(.get(url + "/bytes/2000000"))
        _ = try await engine.send(.get(url + "/")).body.collect(upTo: 100)
        #expect(engine.snapshot().idle == 1)
        let other = try await cache.transport(for: "b") { try TransportEngine() }
        #expect(await cache.counts.evictions == 1)
        #expect(engine.snapshot().idle == 0)
        #expect(engine.snapshot().leased == 1)
        // The stream continues, and holders of the engine may continue to use it.
        #expect(try await checkPattern(stream.body) == 2_000_000)
        #expect(try await engine.send(.get(url + "/")).status == .ok)
        await engine.shutdown()
        await other.shutdown()
        server.stop()
    }

    @Test("guarantee 6: an engine that only the cache held ends after its last request")
    func anEvictedEngineEndsByItself() async throws {
        let server = try LoopbackServer()
        let url = "http://127.0.0.1:\(server.port)"
        let cache = TransportCache<String>()
        let stream = try await cache.transport(for: "a") { try TransportEngine() }
            .send(.get(url + "/bytes/2000000"))
        #expect(await cache.purge() == 1)
        #expect(try await checkPattern(stream.body) == 2_000_000)
        try await eventually("its connection is closed") {
            descriptors(connectedTo: server.port) == 0
        }
        server.stop()
    }

    @Test("guarantee 7: a purge takes effect at once, also for what is being made")
    func purging() async throws {
        let cache = TransportCache<String>()
        let group = try LoopGroup()
        for key in ["a1", "a2", "b1"] {
            _ = try await cache.transport(for: key) { try TransportEngine(group: group) }
        }
        #expect(await cache.purge { $0.hasPrefix("a") } == 2)
        #expect(await cache.counts == counts(held: 1, made: 3, purged: 2))
        let gate = Gate()
        let caller = Task {
            try await cache.transport(for: "c") {
                await gate.wait()
                return try TransportEngine(group: group)
            }
        }
        while await cache.counts.making == 0 { await Task.yield() }
        #expect(await cache.purge() == 1)
        gate.open()
        let stale = try await caller.value
        #expect(await cache.counts.held == 0)
        let fresh = try await cache.transport(for: "c") { try TransportEngine(group: group) }
        #expect(fresh !== stale)
    }

    @Test func aCancelledCallerLeavesTheMakingToTheOthers() async throws {
        let cache = TransportCache<String>()
        let gate = Gate()
        let make: TransportCache<String>.Make = {
            await gate.wait()
            return try TransportEngine()
        }
        let impatient = Task { try await cache.transport(for: "a", make: make) }
        let patient = Task { try await cache.transport(for: "a", make: make) }
        while await cache.counts.making == 0 { await Task.yield() }
        impatient.cancel()
        let error = await transportError { _ = try await impatient.value }
        #expect(error?.kind == .cancelled)
        gate.open()
        let engine = try await patient.value
        #expect(await cache.counts.made == 1)
        await engine.shutdown()
    }

    private func counts(
        held: Int, hits: Int = 0, made: Int, evictions: Int = 0, purged: Int = 0
    ) -> TransportCacheCounts {
        var counts = TransportCacheCounts()
        (counts.held, counts.hits, counts.made) = (held, hits, made)
        (counts.evictions, counts.purged) = (evictions, purged)
        return counts
    }
}

/// Holds tasks back until it is opened.
final class Gate: Sendable {
    private let (stream, opener) = AsyncStream<Never>.makeStream()

    func wait() async {
        for await _ in stream {}
    }

    func open() {
        opener.finish()
    }
}
