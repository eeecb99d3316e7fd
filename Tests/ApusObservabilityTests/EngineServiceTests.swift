import Apus
import ApusObservability
import Loopback
import ServiceLifecycle
import ServiceLifecycleTestKit
import Testing

/// The engine as a service: graceful shutdown drains, cancellation cuts.
@Suite(.timeLimit(.minutes(5))) struct EngineServiceTests {
    @Test func aGracefulShutdownDrains() async throws {
        try await withObservedEngine { engine, server in
            let response = try await engine.send(
                .get("http://127.0.0.1:\(server.port)/sse?n=50&size=16&pace_us=1000"))
            try await testGracefulShutdown { trigger in
                try await withThrowingTaskGroup(of: Int.self) { group in
                    group.addTask {
                        try await EngineService(engine, drain: .seconds(60)).run()
                        return 0
                    }
                    group.addTask {
                        trigger.triggerGracefulShutdown()
                        return try await response.body.collect(upTo: 1 << 20).count
                    }
                    let lengths = try await group.reduce(into: []) { $0.append($1) }
                    #expect(lengths.max() ?? 0 > 50 * 16)
                }
            }
            await #expect(throws: TransportError.self) {
                try await engine.send(.get("http://127.0.0.1:\(server.port)/"))
            }
        }
    }

    @Test(arguments: [false, true])
    func cancellationCuts(afterShutdownBegan: Bool) async throws {
        try await withObservedEngine { engine, server in
            let response = try await engine.send(
                .get("http://127.0.0.1:\(server.port)/head-then-hang"))
            try await testGracefulShutdown { trigger in
                if afterShutdownBegan { trigger.triggerGracefulShutdown() }
                let service = Task { try await EngineService(engine, drain: .seconds(600)).run() }
                if afterShutdownBegan {
                    try await eventually("the drain has begun") {
                        engine.snapshot().connectionEntries.first?.state == .draining
                    }
                }
                service.cancel()
                try await service.value
            }
            let error = await #expect(throws: TransportError.self) {
                try await response.body.collect(upTo: 1 << 20)
            }
            #expect(error?.kind == .shutdown)
        }
    }
}
