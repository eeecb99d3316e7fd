import Apus
import ApusEngine
import Loopback
import Testing

/// A NAT that forgets a connection after 5 s without a packet: incident C1.
///
/// Needs root, iproute2 and nftables.
@Suite(
    .timeLimit(.minutes(5)),
    .enabled(
        if: ForgetfulNAT.obstacle == nil, "\(ForgetfulNAT.obstacle ?? "there is no such NAT")"))
struct ForgetfulNATTests {
    /// Reads two events with 12 s of silence between them; how many came.
    private func events(
        _ url: String, from network: NetworkNamespace, _ versions: HTTPVersionPolicy,
        keepAlive: Duration?
    ) async throws -> Int {
        var tuning = relaxedTuning
        tuning.dial.keepAlive = keepAlive
        // What keeps the connection is TCP's keepalive alone.
        tuning.http2.pingAfter = nil
        let engine = TransportEngine(try Engine(tuning, resolver: StubResolver()))
        await Task(executorPreference: engine.taskExecutor) { network.enter() }.value
        var options = RequestOptions()
        options.versions = versions
        options.readIdleTimeout = .seconds(20)
        var count = 0
        do {
            let response = try await engine.send(.get(url), options: options)
            for try await _ in response.body { count += 1 }
        } catch {
            #expect(error.kind == .timeout)
        }
        await engine.shutdown()
        return count
    }

    @Test("C1: keepalive keeps a silent response through a NAT that forgets, in both versions")
    func keepAliveKeepsASilentResponse() async throws {
        let nat = try await ForgetfulNAT(forgettingAfter: 5)
        let server = try await nat.server.inside {
            var options = LoopbackServer.Options()
            options.http2PriorKnowledge = true
            return try LoopbackServer(options)
        }
        defer { server.stop() }
        let url = "http://\(nat.address):\(server.port)/sse?n=2&size=8&pace_us=12000000&burst=1"
        let http1 = HTTPVersionPolicy.http1Only(alpn: .http1)
        async let kept1 = events(url, from: nat.client, http1, keepAlive: .seconds(2))
        async let kept2 = events(url, from: nat.client, .http2Only, keepAlive: .seconds(2))
        // Without it, the NAT has forgotten the connection when the second event comes.
        async let lost = events(url, from: nat.client, http1, keepAlive: nil)
        #expect(try await kept1 == 2)
        #expect(try await kept2 == 2)
        #expect(try await lost == 1)
    }
}
