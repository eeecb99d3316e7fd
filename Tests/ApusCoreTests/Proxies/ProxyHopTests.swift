import ApusCore
import HTTPTypes
import Testing

@Suite struct ProxyHopTests {
    private func hop(_ url: String) throws -> ProxyHop { ProxyHop(try ProxyEndpoint(parsing: url)) }

    @Test func credentialsAndOptionsDoNotDistinguishHops() throws {
        var options = ProxyEndpoint.Options()
        options.fields = [.userAgent: "one"]
        let plain = try hop("http://proxy.test:3128")
        let endpoint = try ProxyEndpoint(parsing: "http://u:p@PROXY.test:3128", options: options)
        #expect(ProxyHop(endpoint) == plain)
    }

    @Test(arguments: [
        "https://proxy.test:3128", "http://proxy.test:3129", "http://other.test:3128",
        "http://proxy.test.:3128",
    ])
    func kindHostAndPortDistinguishHops(_ url: String) throws {
        #expect(try hop(url) != hop("http://proxy.test:3128"))
    }

    @Test(arguments: ["http://proxy.test:3128", "socks5h://[::1]:1080"])
    func aHopIsShownAsItsProxyIs(_ url: String) throws {
        #expect(try hop(url).description == url)
        #expect(try hop(url).description == ProxyEndpoint(parsing: url).description)
        let secret = try hop(url.replacing("://", with: "://user:secret@"))
        #expect(secret.description == url)
    }
}
