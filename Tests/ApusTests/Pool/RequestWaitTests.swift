import Apus
import Loopback
import Testing

/// What one request may say of its own wait for a connection, and of that connection's end.
@Suite(.timeLimit(.minutes(5))) struct RequestWaitTests {
    @Test func aRequestsAcquireTimeoutEndsItsWaitInTheQueue() async throws {
        var tuning = relaxedTuning
        tuning.pool.maxConnectionsPerHost = 1
        try await withStand(.http1, tuning: tuning) { stand in
            let holder = try await stand.get("/bytes/16000000")
            var hasty = RequestOptions()
            hasty.acquireTimeout = .milliseconds(20)
            let error = await dialError(stand.client, stand.url("/"), options: hasty)
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .pool)
            #expect(try await checkPattern(holder.body) == 16_000_000)
        }
    }

    @Test func aRequestsAcquireTimeoutMayLiftTheTunings() async throws {
        var tuning = relaxedTuning
        tuning.pool.maxConnectionsPerHost = 1
        let server = try LoopbackServer()
        defer { server.stop() }
        tuning.pool.acquireTimeout = .nanoseconds(1)
        try await withEngine(tuning, ports: [server.port]) { engine in
            let url = "http://127.0.0.1:\(server.port)/bytes/16000000"
            let holder = try await engine.send(.get(url))
            let error = await dialError(engine, url)
            #expect(error?.phase == .pool)
            var patient = RequestOptions()
            patient.acquireTimeout = RequestOptions.unlimited
            let waiting = Task { [patient] in try await fetch(engine, url, options: patient) }
            try await eventually("it waits") { engine.snapshot().waiting == 1 }
            #expect(try await checkPattern(holder.body) == 16_000_000)
            _ = try? await waiting.value
            #expect(engine.snapshot().counters.abandonedWaits == 1)
        }
    }

    @Test(arguments: ["http", "https"])
    func aRequestsConnectTimeoutEndsItsWaitForADial(_ scheme: String) async throws {
        let listener = try FullListener()
        try await withEngine { engine in
            var hasty = RequestOptions()
            hasty.connectTimeout = .milliseconds(50)
            let url = "\(scheme)://127.0.0.1:\(listener.port)/"
            let error = await dialError(engine, url, options: hasty)
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .connect)
            #expect(error?.message == "no connection was made within 50 ms (connectTimeout)")
            // The dial goes on for its grace, and might have served others.
            #expect(engine.snapshot().dialling == 1)
        }
    }

    @Test func aRequestMayLiftItsClientsTimeout() async throws {
        try await withStand(.http1) { stand in
            let client = ExecutorClient(stand.engine, timeout: .milliseconds(20))
            let error = await transportError {
                _ = try await client.send(.get(stand.url("/hang")))
            }
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .total)
            let hasty = ExecutorClient(stand.engine, timeout: .nanoseconds(1))
            var options = RequestOptions()
            options.totalTimeout = RequestOptions.unlimited
            let response = try await hasty.send(.get(stand.url("/")), options: options)
            #expect(try await text(of: response) == "hello\n")
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func aPooledConnectionIsUsedAndThenClosed(_ variant: ProtocolVariant) async throws {
        try await withStand(variant, tuning: relaxedTuning) { stand in
            var last = RequestOptions()
            last.reuse = .pooledThenClosed
            let first = try await stand.get("/bytes/100")
            #expect(try await checkPattern(first.body) == 100)
            let second = try await stand.client.send(.get(stand.url("/bytes/100")), options: last)
            #expect(try await checkPattern(second.body) == 100)
            #expect(second.info.isReused)
            #expect(second.info.connectionID == first.info.connectionID)
            try await eventually("it is closed") { stand.engine.snapshot().connections == 0 }
            // Without one that is idle, it is dialled for, and closed all the same.
            let third = try await stand.client.send(.get(stand.url("/bytes/100")), options: last)
            #expect(try await checkPattern(third.body) == 100)
            #expect(!third.info.isReused)
            try await eventually("it is closed") { stand.engine.snapshot().connections == 0 }
            #expect(stand.server.counters.connectionsAccepted == 2)
        }
    }

    /// Others that it carries go on, and those who come later have another one.
    @Test func aSharedConnectionTakesNoMoreAfterOneThatClosesIt() async throws {
        try await withStand(.http2OverTLS, tuning: relaxedTuning) { stand in
            let other = try await stand.get("/bytes/16000000")
            var last = RequestOptions()
            last.reuse = .pooledThenClosed
            let response = try await stand.client.send(
                .get(stand.url("/bytes/100")), options: last)
            #expect(try await checkPattern(response.body) == 100)
            #expect(response.info.connectionID == other.info.connectionID)
            let next = try await stand.get("/bytes/100")
            #expect(try await checkPattern(next.body) == 100)
            #expect(next.info.connectionID != other.info.connectionID)
            #expect(try await checkPattern(other.body) == 16_000_000)
        }
    }

    @Test(arguments: [\RequestOptions.acquireTimeout, \.connectTimeout])
    func aTimeoutThatIsNotAboveZeroIsRefused(
        _ path: any WritableKeyPath<RequestOptions, Duration?> & Sendable
    ) async throws {
        try await withEngine { engine in
            var options = RequestOptions()
            options[keyPath: path] = .zero
            let error = await transportError { [options] in
                _ = try await engine.send(.get("http://127.0.0.1:1/"), options: options)
            }
            #expect(error?.kind.name == "invalidRequest")
        }
    }
}
