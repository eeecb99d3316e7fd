import ApusCore
@testable import ApusDial
import Testing

/// What is known of proxies, over all routes through them.
@Suite struct ProxyHealthTests {
    private var health = ProxyHealth(EngineTuning().pool)
    private static let refused = TransportError(
        .connect(errno: 111), phase: .connect, message: "refused")

    private mutating func fail(
        _ route: Route, _ outcomes: [ProxyOutcome] = [.failed(.unreachable)], by number: Int = 1,
        at second: Int64 = 1
    ) -> [ProxyHealth.Change] {
        health.ended(
            dial(number), route, since: at(second), outcomes, Self.refused, now: at(second))
    }

    @Test mutating func credentialsOriginsAndScopesShareAProxy() throws {
        #expect(try fail(proxyRoute("http://me:one@p:3128")).isEmpty)
        let changes = try fail(proxyRoute("http://you:two@p:3128", to: "b", isolation: "c"))
        #expect(
            changes == [
                .failing(
                    proxy: "http://p:3128", target: nil, because: [.unreachable, .unreachable])
            ])
        #expect(health.failing == 1)
        let barred = try health.refusal(of: proxyRoute("http://p:3128", to: "c"), now: at(2))
        #expect(barred?.kind == .connect(errno: 111))
        #expect(barred?.message.contains("the next probe is in 4 s") == true)
        for other in ["socks5h://p:3128", "http://p:3129", "http://q:3128"] {
            #expect(try health.refusal(of: proxyRoute(other), now: at(2)) == nil)
        }
        #expect(try health.refusal(of: proxyRoute(), now: at(2)) == nil)
    }

    @Test mutating func oneCredentialAloneIsLeftToThePauseOfItsRoute() throws {
        for second in 0..<50 as Range<Int64> {
            #expect(try fail(proxyRoute("http://me:one@p:3128"), at: second).isEmpty)
        }
        #expect(health.failing == 0)
        #expect(health.entries(now: at(50)).map(\.state) == [.doubtful])
    }

    @Test mutating func oneDialProbes() throws {
        let (a, b) = try (proxyRoute("http://a@p:3128"), proxyRoute("http://b@p:3128"))
        _ = fail(a)
        _ = fail(b)
        #expect(health.begins(dial(5), a, now: at(5)) != nil)
        #expect(health.begins(dial(6), a, now: at(6)) == nil)
        #expect(health.begins(dial(7), b, now: at(6))?.message.contains("under way") == true)
        #expect(health.entries(now: at(6)).map(\.secondsToProbe) == [0])
        let changes = health.ended(
            dial(6), a, since: at(6), [.opened(.seconds(1))], nil, now: at(7))
        #expect(changes == [.recovered(proxy: "http://p:3128", target: nil)])
        #expect(health.failing == 0 && health.begins(dial(8), b, now: at(7)) == nil)
    }

    @Test mutating func aProbeThatIsAbandonedMakesWay() throws {
        let (a, b) = try (proxyRoute("http://a@p:3128"), proxyRoute("http://b@p:3128"))
        _ = fail(a)
        _ = fail(b)
        #expect(health.begins(dial(6), a, now: at(6)) == nil)
        let cancelled = TransportError(.cancelled, phase: .connect, message: "")
        #expect(health.ended(dial(6), a, since: at(6), [], cancelled, now: at(7)).isEmpty)
        #expect(health.begins(dial(7), b, now: at(7)) == nil)
    }

    /// The second proxy of a chain is held against that chain alone.
    @Test mutating func chains() throws {
        let chain = ["http://a:1", "socks5h://b:2"]
        let outcomes: [ProxyOutcome] = [.opened(.seconds(2)), .failed(.silent)]
        for scope in ["x", "y"] {
            let route = try proxyRoute(chain[0], chain[1], isolation: scope)
            let changes = fail(route, outcomes)
            guard scope == "y" else { continue }
            #expect(
                changes == [
                    .failing(
                        proxy: "http://a:1 then socks5h://b:2", target: "origin.test:443",
                        because: [.silent, .silent])
                ])
        }
        #expect(try health.refusal(of: proxyRoute(chain[0], chain[1]), now: at(2)) != nil)
        for proxy in chain { #expect(try health.refusal(of: proxyRoute(proxy), now: at(2)) == nil) }
        #expect(
            try health.refusal(of: proxyRoute(chain[0], chain[1], to: "other"), now: at(2)) == nil)
        #expect(
            health.entries(now: at(2)).map(\.proxy) == [
                "http://a:1", "http://a:1 then socks5h://b:2",
            ])
        // The first one fails: so does every chain that begins with it.
        for scope in ["x", "y"] { _ = try fail(proxyRoute(chain[0], isolation: scope)) }
        #expect(
            try health.refusal(of: proxyRoute(chain[0], chain[1], to: "other"), now: at(2)) != nil)
    }

    @Test mutating func cutsAreTheLastProxys() throws {
        #expect(try health.wasCut(proxyRoute("http://a:1", "http://b:2"), now: at(1)).isEmpty)
        #expect(try health.wasCut(proxyRoute(), now: at(1)).isEmpty)
        let entries = health.entries(now: at(1))
        #expect(entries.map(\.proxy) == ["http://a:1 then http://b:2"])
        #expect(entries[0].failures(.cut) == 1 && entries[0].state == .doubtful)
    }

    @Test mutating func whatIsForgottenIsDialledAgain() throws {
        for (proxy, user) in [("p", "a"), ("p", "b"), ("q", "a"), ("q", "b")] {
            _ = try fail(proxyRoute("http://\(user):x@\(proxy):3128", isolation: user))
        }
        #expect(health.failing == 2 && health.routes.count == 2)
        #expect(health.routes.allSatisfy { $0.route.proxies[0].credentials == nil })
        #expect(health.routes.allSatisfy { $0.route.isolation == nil })
        health.forget(health.routes.filter { $0.route.proxies[0].host == "p" }.map(\.path))
        #expect(health.failing == 1)
        #expect(try health.refusal(of: proxyRoute("http://p:3128"), now: at(2)) == nil)
        #expect(try health.refusal(of: proxyRoute("http://q:3128"), now: at(2)) != nil)
    }

    @Test mutating func aThousandProxiesAreRemembered() throws {
        for number in 0..<ProxyHealth.maxProxies {
            let route = try proxyRoute("http://p\(number):1")
            _ = health.ended(dial(1), route, since: at(1), [.forwards], nil, now: at(1))
        }
        for user in ["a", "b"] { _ = try fail(proxyRoute("http://\(user)@bad:1")) }
        // Those without failures have made room.
        #expect(health.entries(now: at(1)).map(\.proxy) == ["http://bad:1"])
        for number in 0..<2 * ProxyHealth.maxProxies {
            for user in ["a", "b"] { _ = try fail(proxyRoute("http://\(user)@p\(number):1")) }
            #expect(health.failing <= ProxyHealth.maxProxies)
        }
        #expect(health.failing == health.entries(now: at(1)).count { $0.state == .failing })
    }
}
