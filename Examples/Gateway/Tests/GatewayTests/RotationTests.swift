import Apus
import ApusRetry
import Gateway
import GatewayFixtures
import HummingbirdCore
import NIOCore
import Testing

@Suite struct RotationTests {
    private static let refusals: [(status: Int, retryAfter: String?, atLeast: Duration?)] = [
        (429, "120", .seconds(100)), (529, "120", .seconds(100)), (429, nil, nil),
        (401, nil, .seconds(200)), (403, nil, .seconds(200)),
    ]

    /// The first credential is refused: the request goes on to the second with its whole body, and
    /// the next request begins there.
    @Test(.timeLimit(.minutes(1)), arguments: refusals)
    func aRefusedCredentialIsPutAside(
        status: Int, retryAfter: String?, atLeast: Duration?
    ) async throws {
        let origin = try await ScriptedOrigin { arrival in
            var body = ""
            for try await piece in arrival.request.body { body += String(buffer: piece) }
            guard arrival.credential == "Bearer secret-of-a" else { return .text(.ok, body) }
            var fields: HTTPFields = [:]
            fields[.retryAfter] = retryAfter
            return .text(.init(code: status), fields: fields)
        }
        try await withGateway(configuration(origin, credentials: ["a", "b"])) { ground in
            for _ in 1...2 {
                let response = try await ground.post("/v1/messages", .bytes(Bytes("content")))
                #expect(response.status == .ok)
                #expect(String(try await response.body.collect(upTo: 100)) == "content")
            }
            #expect(origin.counts.byCredential["Bearer secret-of-b"] == 2)
            let state = ground.gateway.upstreams[0].rotation.state()
            if let atLeast { #expect(try #require(state[0].asideFor) >= atLeast) }
            #expect(state[0].failures >= 1)
            #expect(state[1].asideFor == nil)
        }
        try await origin.stop()
    }

    /// A proxy that nothing listens at: the verdict of the error puts its credential aside.
    @Test(.timeLimit(.minutes(1))) func aDeadProxyIsPassedOver() async throws {
        let origin = try await ScriptedOrigin { _ in .text() }
        let (alive, dead) = (try await SOCKSProxy(), try await SOCKSProxy())
        await dead.stop()
        let configuration = configuration(origin, credentials: ["dead", "alive"]) {
            $0.credentials[0].proxy = dead.url
            $0.credentials[1].proxy = alive.url
        }
        try await withGateway(configuration) { ground in
            let response = try await ground.post("/v1/messages")
            #expect(response.status == .ok)
            let state = ground.gateway.upstreams[0].rotation.state()
            #expect(state[0].failures == 1)
            #expect(alive.tunnels == 1)
            let proxies = ground.gateway.proxies.all
            #expect(proxies.first { $0.proxy == dead.url }?.failed == 1)
            #expect(proxies.first { $0.proxy == alive.url }?.opened == 1)
            // Nothing reached the origin but through the proxy.
            #expect(origin.counts.connections == 1)
        }
        await alive.stop()
        try await origin.stop()
    }

    /// With no other credential the client gets the upstream's own answer.
    @Test(.timeLimit(.minutes(1))) func theLastRefusalIsPassedOn() async throws {
        let origin = try await ScriptedOrigin { _ in
            .text(.tooManyRequests, "slow down", fields: [.retryAfter: "7"])
        }
        try await withGateway(configuration(origin, credentials: ["a", "b"])) { ground in
            let response = try await ground.post("/v1/messages")
            #expect(response.status == .tooManyRequests)
            #expect(response.head.headerFields[.retryAfter] == "7")
            #expect(String(try await response.body.collect(upTo: 100)) == "slow down")
            #expect(origin.counts.requests == 2)
        }
        try await origin.stop()
    }

    /// A body that was not kept is sent once only.
    @Test(.timeLimit(.minutes(1))) func aLongBodyIsNotSentAgain() async throws {
        let origin = try await ScriptedOrigin { arrival in
            for try await _ in arrival.request.body {}
            return .text(.tooManyRequests)
        }
        let configuration = configuration(origin, credentials: ["a", "b"]) { $0.replayBytes = 10 }
        try await withGateway(configuration) { ground in
            let response = try await ground.post("/v1/messages", .bytes(Bytes("more than ten")))
            #expect(response.status == .tooManyRequests)
            #expect(origin.counts.requests == 1)
        }
        try await origin.stop()
    }

    /// Each credential takes one request at a time; the third request finds none, until one ends.
    @Test(.timeLimit(.minutes(1))) func aCredentialTakesSoManyRequestsAtATime() async throws {
        let origin = try await ScriptedOrigin { arrival in
            guard arrival.path == "/endless" else { return .text() }
            return .events(["one", "two"]) { number in
                if number == 1 { try await Latch().wait() }
            }
        }
        let configuration = configuration(origin, credentials: ["a", "b"]) {
            $0.credentials[0].maxRequests = 1
            $0.credentials[1].maxRequests = 1
        }
        try await withGateway(configuration) { ground in
            let first = try await ground.post("/endless")
            let second = try await ground.post("/endless")
            #expect(first.status == .ok)
            #expect(second.status == .ok)
            let third = try await ground.post("/v1/messages")
            #expect(third.status == .serviceUnavailable)
            #expect(third.head.headerFields[.retryAfter] == "1")
            #expect(Set(origin.counts.byCredential.values) == [1])
            first.cancel()
            #expect(
                await eventually { (try? await ground.post("/v1/messages").status) == .ok })
            second.cancel()
        }
        await origin.cut()
    }
}
