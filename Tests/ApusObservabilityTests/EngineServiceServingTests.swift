import Apus
import ApusObservability
import Logging
import Loopback
import ServiceLifecycle
import Testing

/// The engine and the server that sends through it are one service, in real groups.
@Suite(.timeLimit(.minutes(5))) struct EngineServiceServingTests {
    /// A stream that never ends is cut after the drain, whatever the place in the group.
    ///
    /// Without that, the server would wait for its stream for ever, and the group for the server.
    @Test(arguments: 0...2)
    func theDrainBeginsWithTheGroupsShutdown(place: Int) async throws {
        try await withObservedEngine { engine, origin in
            let (hasBegun, begun) = AsyncStream.makeStream(of: Void.self)
            let server = ClosureService {
                let stream = try await engine.send(
                    .get("http://127.0.0.1:\(origin.port)/head-then-hang"))
                begun.finish()
                let error = await #expect(throws: TransportError.self) {
                    try await stream.body.collect(upTo: 1 << 20)
                }
                #expect(error?.kind == .shutdown)
                #expect(Task.isShuttingDownGracefully)
            }
            var services: [any Service] = [
                ClosureService { try await gracefulShutdown() },
                ClosureService { try await gracefulShutdown() },
            ]
            let service = EngineService(engine, drain: .milliseconds(10), serving: server)
            services.insert(service, at: place)
            try await runToShutdown(services, after: hasBegun)
        }
    }

    /// While the server still listens, no request of its clients is refused by the engine.
    @Test func theEngineTakesRequestsDuringTheDrain() async throws {
        try await withObservedEngine { engine, origin in
            let url = "http://127.0.0.1:\(origin.port)"
            let (hasBegun, begun) = AsyncStream.makeStream(of: Void.self)
            let server = ClosureService {
                let stream = try await engine.send(.get(url + "/sse?n=50&size=16&pace_us=1000"))
                begun.finish()
                try await gracefulShutdown()
                // A client that was accepted just before.
                let response = try await engine.send(.get(url + "/"))
                #expect(response.status == .ok)
                #expect(try await stream.body.collect(upTo: 1 << 20).count > 50 * 16)
            }
            // The drain is far longer than the limit of this test: the server's end is enough.
            let service = EngineService(engine, drain: .seconds(86_400), serving: server)
            try await runToShutdown([service], after: hasBegun)
            await expectRefusal(by: engine, url)
        }
    }

    /// An error of the server ends the engine and is the service's own.
    @Test func theServersErrorIsTheServices() async throws {
        struct PortIsTaken: Error {}
        try await withObservedEngine { engine, origin in
            let service = EngineService(
                engine, drain: .seconds(86_400), serving: ClosureService { throw PortIsTaken() })
            await #expect(throws: PortIsTaken.self) { try await service.run() }
            await expectRefusal(by: engine, "http://127.0.0.1:\(origin.port)")
        }
    }

    /// Cancellation cuts at once, also a request that does not heed the task's own cancellation.
    @Test func cancellationCutsTheServersStreams() async throws {
        try await withObservedEngine { engine, origin in
            let stream = try await engine.send(
                .get("http://127.0.0.1:\(origin.port)/head-then-hang"))
            let reader = Task { try await stream.body.collect(upTo: 1 << 20) }
            let server = ClosureService { _ = await reader.result }
            let service = Task {
                try await EngineService(engine, drain: .seconds(86_400), serving: server).run()
            }
            service.cancel()
            try await service.value
            let error = await #expect(throws: TransportError.self) { try await reader.value }
            #expect(error?.kind == .shutdown)
        }
    }

    /// Runs a group until a stream has ended, then shuts it down gracefully and awaits its end.
    private func runToShutdown(
        _ services: [any Service], after hasBegun: AsyncStream<Void>
    ) async throws {
        let group = ServiceGroup(services: services, logger: Logger(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            for await _ in hasBegun {}
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    private func expectRefusal(by engine: TransportEngine, _ url: String) async {
        let error = await #expect(throws: TransportError.self) {
            try await engine.send(.get(url + "/"))
        }
        #expect(error?.kind == .shutdown)
    }
}
