import Apus
import Gateway
import GatewayFixtures
import Testing

@Suite struct DrainTests {
    /// A stream that ends within the drain comes whole; one that does not is cut, and the gateway
    /// ends.
    @Test(.timeLimit(.minutes(1))) func aShutdownEndsStreamsWithinItsDrain() async throws {
        let (isShuttingDown, never) = (Latch(), Latch())
        let origin = try await ScriptedOrigin { arrival in
            .events(["one", "two"]) { number in
                guard number == 1 else { return }
                try await (arrival.path == "/short" ? isShuttingDown : never).wait()
            }
        }
        var configuration = configuration(origin)
        configuration.drain = .milliseconds(500)
        let ground = try await GatewayGround(configuration)
        let short = try await ground.post("/short")
        let endless = try await ground.post("/endless")
        let began = ContinuousClock.now
        await ground.services.beginShutdown()
        isShuttingDown.open()
        #expect(try await short.body.collect(upTo: 100) == Bytes("data: one\n\ndata: two\n\n"))
        await #expect { try await endless.body.collect(upTo: 100) } throws: { error in
            (error as? TransportError)?.kind == .truncated
        }
        try await ground.services.end()
        #expect(ContinuousClock.now - began >= configuration.drain)
        #expect(ground.gateway.engine.snapshot().connections == 0)
        await ground.client.shutdown()
        await origin.cut()
    }

    /// Requests that come while streams drain are answered, with the advice to come again.
    @Test(.timeLimit(.minutes(1))) func aRequestDuringTheDrainIsRefused() async throws {
        let never = Latch()
        let origin = try await ScriptedOrigin { _ in
            .events(["one", "two"]) { number in if number == 1 { try await never.wait() } }
        }
        var configuration = configuration(origin)
        configuration.drain = .seconds(30)
        let ground = try await GatewayGround(configuration)
        // Two connections that stay open, so that a request can use one.
        let endless = try await ground.post("/endless")
        _ = try await ground.get("/metrics").body.collect(upTo: 1 << 20)
        await ground.services.beginShutdown()
        #expect(
            await eventually {
                let response = try? await ground.post("/v1/messages")
                return response?.status == .serviceUnavailable
                    && response?.head.headerFields[.retryAfter] == "1"
            })
        endless.cancel()
        try await ground.services.end()
        await ground.client.shutdown()
        await origin.cut()
    }
}
