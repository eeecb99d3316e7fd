import ApusCore
import Testing

/// What is one way: an origin and the places of its proxies.
@Suite struct WayTests {
    private func way(_ host: String, _ proxies: [String], isolation: IsolationScope? = nil) throws
        -> Way
    {
        Way(
            Route(
                origin: try Origin(scheme: .https, host: host),
                proxies: try proxies.map { try ProxyEndpoint(parsing: $0) }, versions: .automatic,
                tls: EngineTuning.TLS(), localAddress: nil, localInterface: nil, connectTo: nil,
                isolation: isolation, purpose: .exchanges))
    }

    @Test func credentialsAndScopesShareAWayAndPlacesDoNot() throws {
        let first = try way("a.test", ["http://u:p@proxy.test:3128"])
        #expect(try first == way("a.test", ["http://v:q@proxy.test:3128"]))
        #expect(
            try first == way("a.test", ["http://proxy.test:3128"], isolation: "another credential"))
        #expect(try first != way("b.test", ["http://proxy.test:3128"]))
        #expect(try first != way("a.test", ["http://proxy.test:3129"]))
        #expect(try first != way("a.test", []))
    }
}
