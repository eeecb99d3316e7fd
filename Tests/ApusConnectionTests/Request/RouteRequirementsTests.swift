import ApusConnection
import ApusCore
import Testing

/// What a request's route is looked up by.
@Suite struct RouteRequirementsTests {
    private func requirements(
        _ authority: ExactText = ExactText(lookingFor: "a.test"), proxy: ProxySetting = .inherit,
        isolation: IsolationScope? = nil, versions: HTTPVersionPolicy = .automatic
    ) -> RouteRequirements {
        RouteRequirements(
            authority: authority, scheme: .https, proxy: proxy, versions: versions,
            isolation: isolation, connectTo: nil, purpose: .exchanges)
    }

    @Test func whatIsKeptIsFoundByWhatARequestAsks() {
        let asked = requirements(isolation: "one")
        #expect(asked.kept == asked)
        #expect(asked.kept.hashValue == asked.hashValue)
        #expect(Set([asked.kept]).contains(asked))
    }

    /// A table of thousands of credentials is not searched one by one.
    @Test func whatDiffersBetweenCredentialsIsInTheHash() throws {
        let proxies = try (0..<100).map {
            try ProxySetting(parsing: "http://user-\($0):secret@proxy.test:3128")
        }
        let chains = try (0..<100).map {
            ProxySetting.chain([
                try ProxyEndpoint(parsing: "http://near.test"),
                try ProxyEndpoint(parsing: "http://user-\($0):secret@far.test"),
            ])
        }
        let scopes = (0..<100).map { IsolationScope("credential-\($0)") }
        let hosts = (0..<100).map { ExactText(lookingFor: "host-\($0).test") }
        let all =
            (proxies + chains).map { requirements(proxy: $0) }
            + scopes.map { requirements(isolation: $0) } + hosts.map { requirements($0) }
        #expect(Set(all).count == 400)
        #expect(Set(all.map(\.hashValue)).count > 395)
    }

    @Test func eachPartIsCompared() throws {
        let all = [
            requirements(), requirements(versions: .http2Only), requirements(proxy: .direct),
            requirements(proxy: .chain([try ProxyEndpoint(parsing: "http://p.test")])),
            requirements(isolation: "one"), requirements(ExactText(lookingFor: "A.test")),
        ]
        for (index, one) in all.enumerated() {
            for (other, two) in all.enumerated() { #expect((one == two) == (index == other)) }
        }
    }
}
