import Apus
import ApusCore
import ApusDial
import ApusEngine
import ApusTLS
import Loopback
import Testing

/// The sessions that an engine keeps for later handshakes.
@Suite(.timeLimit(.minutes(5))) struct TLSSessionCacheTests {
    private func hop(_ number: Int, to route: Route) -> TLSHop {
        .origin(Route(origin: route.origin, isolation: IsolationScope("scope-\(number)")))
    }

    /// Any one of the hops gives way, so the bound shows in the number of hops that are left.
    @Test func aThousandHopsKeepSessionsAndTheNextOneReplacesOne() async throws {
        try await withStand(.http1OverTLS) { stand in
            _ = try await stand.get("/").body.collect(upTo: 100)
            let kept = stand.engine.engine.dialer.sessions
            let tls = stand.engine.tuning.tls
            let route = Route(
                origin: try Origin(scheme: .https, host: "localhost", port: Int(stand.server.port)),
                versions: ProtocolVariant.http1OverTLS.versions, tls: tls)
            let context = try TLSContext(tls, alpn: ["http/1.1"])
            // Tickets of TLS 1.3 come after the handshake.
            let session = try #require(kept.take(for: .origin(route), under: context))
            let cache = TLSSessionCache(perHop: 1)
            for number in 0..<1025 {
                cache.add(session, for: hop(number, to: route), from: route)
            }
            let left = (0..<1025).count {
                cache.take(for: hop($0, to: route), under: context) != nil
            }
            #expect(left == 1024)
        }
    }
}
