import Apus
import Gateway
import GatewayFixtures
import HummingbirdCore
import Testing

/// A client that goes cancels the exchange with the upstream.
@Suite struct DisconnectTests {
    @Test(.timeLimit(.minutes(1))) func beforeTheHead() async throws {
        let origin = try await ScriptedOrigin { _ in
            try await Latch().wait()
            return .text()
        }
        try await withGateway(configuration(origin)) { ground in
            let request = Task { try await ground.post("/v1/messages") }
            #expect(await eventually { origin.counts.requests == 1 })
            request.cancel()
            #expect(await eventually { origin.counts.gone == 1 })
            #expect(await eventually { ground.gateway.journal.totals.clientGone == 1 })
        }
        await origin.cut()
    }

    @Test(.timeLimit(.minutes(1))) func whileAStreamPauses() async throws {
        let origin = try await ScriptedOrigin { _ in
            .events(["one", "two"]) { number in if number == 1 { try await Latch().wait() } }
        }
        try await withGateway(configuration(origin)) { ground in
            let response = try await ground.post("/v1/messages")
            #expect(try await response.body.makeAsyncIterator().next() != nil)
            response.cancel()
            #expect(await eventually { origin.counts.gone == 1 })
            #expect(await eventually { ground.gateway.engine.snapshot().exchanges == 0 })
            #expect(await eventually { ground.gateway.journal.totals.clientGone == 1 })
        }
        await origin.cut()
    }

    /// A client that has not read for long stops its stream at the origin, and then goes.
    @Test(.timeLimit(.minutes(1))) func whileItReadsNothing() async throws {
        let piece = String(repeating: "x", count: 60_000)
        let origin = try await ScriptedOrigin { _ in .events(Array(repeating: piece, count: 10_000))
        }
        try await withGateway(configuration(origin)) { ground in
            let response = try await ground.post("/v1/messages")
            #expect(try await response.body.makeAsyncIterator().next() != nil)
            // The origin waits by now: 600 MB are on their way, and nothing takes them.
            #expect(ground.gateway.journal.totals.active == 1)
            response.cancel()
            #expect(await eventually { origin.counts.gone == 1 })
            #expect(await eventually { ground.gateway.engine.snapshot().exchanges == 0 })
        }
        await origin.cut()
    }

    /// The client's own upload breaks off: the origin never takes it for a whole one.
    @Test(.timeLimit(.minutes(1))) func inTheMiddleOfAnUpload() async throws {
        let origin = try await ScriptedOrigin { arrival in
            for try await _ in arrival.request.body {}
            return .text()
        }
        try await withGateway(configuration(origin)) { ground in
            let upload = Apus.RequestBody.stream {
                AsyncThrowingStream<Bytes, any Error> { $0.yield(Bytes("a beginning")) }
            }
            let request = Task { try await ground.post("/v1/messages", upload) }
            #expect(await eventually { origin.counts.requests == 1 })
            request.cancel()
            #expect(await eventually { origin.counts.gone == 1 })
            #expect(await eventually { ground.gateway.engine.snapshot().exchanges == 0 })
        }
        await origin.cut()
    }

    /// A connection whose client stays serves the next request, and cancels nothing.
    @Test(.timeLimit(.minutes(1))) func aClientThatStaysIsServedAgain() async throws {
        let origin = try await ScriptedOrigin { _ in .text() }
        try await withGateway(configuration(origin)) { ground in
            for _ in 1...20 {
                let response = try await ground.post("/v1/messages")
                _ = try await response.body.collect(upTo: 100)
            }
            #expect(ground.client.snapshot().connectionsOpened == 1)
            #expect(ground.gateway.journal.totals.complete == 20)
            #expect(origin.counts.gone == 0)
        }
        try await origin.stop()
    }
}
