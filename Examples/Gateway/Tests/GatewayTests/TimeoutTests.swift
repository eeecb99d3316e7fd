import Apus
import Gateway
import GatewayFixtures
import Testing

@Suite struct TimeoutTests {
    @Test(.timeLimit(.minutes(1))) func aSilentUpstreamIsAnsweredFor() async throws {
        let origin = try await ScriptedOrigin { _ in
            try await Latch().wait()
            return .text()
        }
        let configuration = configuration(origin) { $0.firstByte = .milliseconds(100) }
        try await withGateway(configuration) { ground in
            let response = try await ground.post("/v1/messages")
            #expect(response.status == .gatewayTimeout)
            let text = String(try await response.body.collect(upTo: 1000))
            #expect(text.contains("timeout in phase head"))
            // The exchange with the origin is over as well.
            #expect(await eventually { origin.counts.gone == 1 })
        }
        await origin.cut()
    }

    /// The head has been sent: the client sees a body that is cut, never one that ends.
    @Test(.timeLimit(.minutes(1))) func aStreamThatPausesTooLongIsCut() async throws {
        let origin = try await ScriptedOrigin { _ in
            .events(["one", "two"]) { number in if number == 1 { try await Latch().wait() } }
        }
        let configuration = configuration(origin) { $0.betweenBytes = .milliseconds(100) }
        try await withGateway(configuration) { ground in
            let response = try await ground.post("/v1/messages")
            let body = response.body.makeAsyncIterator()
            #expect(try await body.next() == Bytes("data: one\n\n"))
            await #expect { try await body.next() } throws: { error in
                (error as? TransportError)?.kind == .truncated
            }
            #expect(await eventually { ground.gateway.journal.totals.failed == 1 })
            #expect(ground.gateway.journal.recent[0].verdict == "timeout in phase body, givenUp")
        }
        await origin.cut()
    }

    /// Pauses within the limit do not add up.
    @Test(.timeLimit(.minutes(1))) func aSlowStreamGoesOn() async throws {
        let origin = try await ScriptedOrigin { _ in
            .events(Array(repeating: "x", count: 40)) { _ in
                try await Task.sleep(for: .milliseconds(100))
            }
        }
        let configuration = configuration(origin) { $0.betweenBytes = .seconds(3) }
        try await withGateway(configuration) { ground in
            let response = try await ground.post("/v1/messages")
            let body = try await response.body.collect(upTo: 10_000)
            #expect(body.count == 40 * "data: x\n\n".utf8.count)
        }
        try await origin.stop()
    }
}
