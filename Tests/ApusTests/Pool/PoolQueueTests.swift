import Apus
import Loopback
import Testing

/// What is reported of waits for a connection: how long and why, or the failure.
@Suite(.timeLimit(.minutes(5))) struct PoolQueueTests {
    /// One place, for one exchange.
    private func withNarrowStand(
        _ variant: ProtocolVariant, waiters: Int = 8, _ body: (Stand) async throws -> Void
    ) async throws {
        var tuning = EngineTuning.executor
        tuning.pool.maxConnectionsPerHost = 1
        tuning.pool.maxWaitersPerHost = waiters
        tuning.http2.maxStreamsPerConnection = 1
        try await withStand(variant, tuning: tuning, body)
    }

    @Test(
        "a response reports how long it waited, and for what", arguments: ProtocolVariant.allCases)
    func theWaitIsReported(_ variant: ProtocolVariant) async throws {
        try await withNarrowStand(variant) { stand in
            let clock = ContinuousClock()
            // The first waits for its dial, and the next one for nothing.
            #expect(try await exchange(stand).queuedFor == .dial)
            let free = try await exchange(stand)
            #expect(free.isReused && free.queuedFor == nil)
            let holder = try await stand.get("/bytes/16000000")
            let asked = clock.now
            let waiting = Task { try await exchange(stand) }
            try await eventually("it waits") { stand.engine.snapshot().waiting == 1 }
            let seen = clock.now
            try await clock.sleep(for: .milliseconds(20))
            let least = clock.now - seen
            #expect(try await checkPattern(holder.body) == 16_000_000)
            let served = try await waiting.value
            let most = clock.now - asked
            #expect(served.queuedFor == .connectionsPerHost)
            #expect(served.isReused && served.connectionID == free.connectionID)
            let queued = try #require(served.queued)
            #expect(queued >= least, "it waited while it was seen to")
            #expect(queued <= most, "nor for longer than there was")
        }
    }

    /// The facts of a short exchange; its instants are in order.
    private func exchange(_ stand: Stand) async throws -> ExchangeInfo {
        let response = try await stand.get("/bytes/100")
        #expect(try await checkPattern(response.body) == 100)
        let info = response.info
        let instants = [info.queued, info.sent, info.head, info.done].compactMap { $0 }
        #expect(instants.count == 4)
        #expect(instants == instants.sorted())
        return info
    }

    @Test("a full queue turns callers away, and goes on", arguments: ProtocolVariant.allCases)
    func aFullQueueIsOverloaded(_ variant: ProtocolVariant) async throws {
        try await withNarrowStand(variant, waiters: 2) { stand in
            let holder = try await stand.get("/bytes/16000000")
            let waiters = (0..<2).map { _ in Task { try await exchange(stand) } }
            try await eventually("two wait") { stand.engine.snapshot().waiting == 2 }
            for round in 1...3 {
                let error = await transportError { _ = try await stand.get("/bytes/100") }
                #expect(error?.kind == .overloaded)
                #expect(error?.phase == .pool)
                #expect(error?.replay == .notSent)
                #expect(error?.message.contains("maxWaitersPerHost") == true)
                #expect(error?.route != nil)
                #expect(stand.engine.snapshot().counters.refusals == round)
                #expect(stand.engine.snapshot().waiting == 2)
            }
            #expect(try await checkPattern(holder.body) == 16_000_000)
            for waiter in waiters {
                #expect(try await waiter.value.queuedFor == .connectionsPerHost)
            }
            // Nothing of those who were turned away is left in the way of others.
            _ = try await exchange(stand)
            #expect(stand.server.counters.requests == 4)
        }
    }

    @Test("a wait for the pause after a failed dial that times out reports that dial")
    func theLastDialsFailureIsReported() async throws {
        let refusing = try RefusingPort()
        var tuning = relaxedTuning
        // The pause lasts until the waiter has given up.
        tuning.pool.dialBackoff = .seconds(3600)
        tuning.pool.maxDialBackoff = .seconds(3600)
        tuning.pool.acquireTimeout = .milliseconds(100)
        let engine = try TransportEngine(tuning)
        let url = "http://127.0.0.1:\(refusing.port)/"
        // On a busy machine the dial may fail after its caller's timeout.
        _ = await transportError { _ = try await engine.send(.get(url)) }
        try await eventually("the dial has failed") {
            engine.snapshot().counters.dialFailures == 1
        }
        let error = await dialError(engine, url, options: .patient)
        #expect(error?.kind == .timeout)
        #expect(error?.phase == .pool)
        let message = error?.message ?? ""
        let beginning =
            "no connection became free within 100 ms (acquireTimeout); the last dial failed: "
        #expect(message.hasPrefix(beginning), "\(message)")
        #expect(message.count > beginning.count)
        #expect(engine.snapshot().counters.dials == 1)
        await engine.shutdown()
    }

    @Test("a wait for a place that times out reports no dial")
    func noFailureIsMadeUp() async throws {
        var tuning = relaxedTuning
        tuning.pool.maxConnectionsPerHost = 1
        try await withStand(.http1, tuning: tuning) { stand in
            var options = RequestOptions()
            let holder = try await stand.get("/bytes/16000000")
            options.totalTimeout = .milliseconds(100)
            let error = await transportError {
                _ = try await stand.client.send(.get(stand.url("/")), options: options)
            }
            #expect(error?.kind == .timeout)
            #expect(
                error?.message
                    == "no connection became free: no end of the response within 100 ms"
                    + " (totalTimeout)")
            #expect(try await checkPattern(holder.body) == 16_000_000)
        }
    }
}
