import ApusCore
import Testing

/// Proxy settings as people write them.
@Suite struct ProxySettingTests {
    // MARK: The four outcomes

    @Test(arguments: ["", " ", "\t", "\n", " \r\n "])
    func anEmptyTextInherits(text: String) throws {
        #expect(try ProxySetting(parsing: text) == .inherit)
    }

    @Test(arguments: ["direct", "none", "DIRECT", "None", " direct ", "\tnone\n"])
    func twoWordsMeanDirect(text: String) throws {
        #expect(try ProxySetting(parsing: text) == .direct)
    }

    @Test(arguments: [
        ("http://proxy", "http://proxy:80"), ("https://proxy", "https://proxy:443"),
        ("socks5://proxy", "socks5://proxy:1080"), ("socks5h://proxy", "socks5h://proxy:1080"),
        ("HTTP://Proxy.Example.:3128/", "http://proxy.example.:3128"),
        (" http://proxy:8080 ", "http://proxy:8080"), ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://proxy:8080/path?query#part", "http://proxy:8080"),
        ("http://proxy?a", "http://proxy:80"), ("http://direct", "http://direct:80"),
    ])
    func aURLMeansThatProxy(text: String, description: String) throws {
        let endpoint = try #require(try endpoint(text))
        #expect(endpoint.description == description)
        #expect(endpoint.credentials == nil)
        #expect(try ProxySetting(parsing: text) == .proxy(endpoint))
    }

    @Test(arguments: [
        ("proxy", "not a URL"), ("proxy:8080", "not a URL"), ("http:proxy", "not a URL"),
        ("http:/proxy", "not a URL"), ("off", "not a URL"), ("inherit", "not a URL"),
        ("ftp://proxy", "scheme"), ("socks4://proxy", "scheme"), ("socks://proxy", "scheme"),
        ("://proxy", "scheme"),
        ("http://", "host"), ("http://:80", "host"), ("http:///", "host"), ("http://u:p@", "host"),
        ("http://pro xy", "host"), ("http://[::1", "host"), ("http://[proxy]", "host"),
        ("http://proxy:0", "port"), ("http://proxy:65536", "port"), ("http://proxy:x", "port"),
        ("http://u%zz:p@proxy", "percent"), ("http://u:p%4@proxy", "percent"),
        ("http://u:%ff@proxy", "percent"), ("http://u:%@proxy", "percent"),
        ("http://u:%0d%0a@proxy", "control"), ("http://u%00:p@proxy", "control"),
        ("http://u:%7f@proxy", "control"),
        // Basic ends the user at its first colon; SOCKS does not mind.
        ("http://u%3Aa:p@proxy", "colon"), ("https://u%3a:p@proxy", "colon"),
    ])
    func aBadTextIsRefusedWithAReason(text: String, reason: String) {
        let error = #expect(throws: InvalidProxy.self) { try ProxySetting(parsing: text) }
        #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
        #expect(error?.description.hasPrefix("proxy: ") == true)
    }

    // MARK: Identity

    @Test func endpointsDifferInEachPart() throws {
        let first = try ProxyEndpoint(parsing: "http://u:p@proxy:80")
        #expect(try ProxyEndpoint(parsing: "HTTP://u:p@PROXY/") == first)
        for other in [
            "https://u:p@proxy:80", "http://u:p@proxy2:80", "http://u:p@proxy:81",
            "http://v:p@proxy:80", "http://u:q@proxy:80", "http://proxy:80",
            "socks5://u:p@proxy:80",
        ] {
            #expect(try ProxyEndpoint(parsing: other) != first, "\(other)")
        }
        #expect(
            try ProxyEndpoint(parsing: "socks5://proxy")
                != ProxyEndpoint(parsing: "socks5h://proxy"))
    }

    @Test(arguments: [0, -1, 65536])
    func aPortOutOfRangeIsRefused(port: Int) {
        #expect(throws: InvalidProxy.self) {
            try ProxyEndpoint(kind: .http, host: "proxy", port: port)
        }
    }

    @Test("a chain of none or too many is refused, never sent direct", arguments: [0, 5])
    func aChainOutOfBounds(_ count: Int) throws {
        let a = try ProxyEndpoint(parsing: "http://a:1")
        let error = #expect(throws: InvalidRequest.self) {
            try ProxySetting.chain(Array(repeating: a, count: count))
                .proxies(for: Origin(scheme: .http, host: "o.test"))
        }
        #expect(error?.field == "proxy")
        let longest = Array(repeating: a, count: ProxySetting.maxProxies)
        #expect(
            try ProxySetting.chain(longest).proxies(for: Origin(scheme: .http, host: "o.test"))
                == longest)
    }

    private func endpoint(_ text: String) throws -> ProxyEndpoint? {
        guard case .proxy(let endpoint) = try ProxySetting(parsing: text) else { return nil }
        return endpoint
    }
}
