import ApusCore
import Testing

/// Proxy variables, as the caller passes them: which one serves which origin.
@Suite struct ProxySettingEnvironmentTests {
    /// Variables, an origin, and the way to it.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let variables: [String: String]
        let url: String
        let way: String

        init(_ name: String, _ variables: [String: String], _ url: String, _ way: String) {
            testDescription = name
            self.variables = variables
            self.url = url
            self.way = way
        }
    }

    static let cases = [
        Case("http", ["http_proxy": "http://a:1"], "http://o.test", "http://a:1"),
        Case("http is not for https", ["http_proxy": "http://a:1"], "https://o.test", "direct"),
        Case("https", ["https_proxy": "http://b:2"], "https://o.test", "http://b:2"),
        Case("https is not for http", ["https_proxy": "http://b:2"], "http://o.test", "direct"),
        Case("upper case", ["HTTPS_PROXY": "socks5h://b"], "https://o.test", "socks5h://b:1080"),
        Case(
            "lower case first", ["https_proxy": "http://b:2", "HTTPS_PROXY": "http://c:3"],
            "https://o.test", "http://b:2"),
        Case(
            "unless it is empty", ["https_proxy": " ", "HTTPS_PROXY": "http://c:3"],
            "https://o.test", "http://c:3"),
        Case("no scheme", ["http_proxy": "a:1"], "http://o.test", "http://a:1"),
        Case("no scheme, no port", ["http_proxy": "u:p@a"], "http://o.test", "http://a:80"),
        Case("all", ["all_proxy": "socks5://a"], "http://o.test", "socks5://a:1080"),
        Case("ALL", ["ALL_PROXY": "socks5://a"], "https://o.test", "socks5://a:1080"),
        Case(
            "all is the last", ["ALL_PROXY": "socks5://a", "http_proxy": "http://b:2"],
            "http://o.test", "http://b:2"),
        Case(
            "HTTP_PROXY alone", ["HTTP_PROXY": "http://a:1"], "http://o.test", "http://a:1"),
        Case(
            "httpoxy: a client's field is no proxy",
            ["HTTP_PROXY": "http://evil:1", "REQUEST_METHOD": "GET"], "http://o.test", "inherit"),
        Case(
            "httpoxy: not beside another proxy either",
            [
                "HTTP_PROXY": "http://evil:1", "REQUEST_METHOD": "POST",
                "https_proxy": "http://b:2",
            ], "http://o.test", "direct"),
        Case(
            "httpoxy: lower case comes from no field",
            ["http_proxy": "http://a:1", "REQUEST_METHOD": "GET"], "http://o.test", "http://a:1"),
        Case(
            "httpoxy: other variables come from no field",
            ["HTTPS_PROXY": "http://a:1", "REQUEST_METHOD": "GET"], "https://o.test", "http://a:1"),
        Case(
            "no_proxy", ["http_proxy": "http://a:1", "no_proxy": "x.test, o.test"],
            "http://o.test", "direct"),
        Case(
            "NO_PROXY", ["https_proxy": "http://a:1", "NO_PROXY": ".test"], "https://o.test",
            "direct"),
        Case(
            "no_proxy before NO_PROXY",
            ["http_proxy": "http://a:1", "no_proxy": "x.test", "NO_PROXY": "*"], "http://o.test",
            "http://a:1"),
        Case(
            "no_proxy for another", ["http_proxy": "http://a:1", "no_proxy": "x.test"],
            "http://o.test", "http://a:1"),
        Case(
            "direct is no proxy", ["https_proxy": "direct", "all_proxy": "http://a:1"],
            "https://o.test", "direct"),
        Case(
            "none is no proxy", ["http_proxy": " None ", "all_proxy": "http://a:1"],
            "http://o.test", "direct"),
        Case("all_proxy may be direct", ["ALL_PROXY": "DIRECT"], "http://o.test", "direct"),
        Case("nothing", [:], "http://o.test", "inherit"),
        Case("exceptions alone are no opinion", ["no_proxy": "*"], "http://o.test", "inherit"),
        Case("other variables", ["PATH": "/bin", "ftp_proxy": "a:1"], "http://o.test", "inherit"),
    ]

    @Test("section 2.4: which variable serves which origin", arguments: cases)
    func environment(_ test: Case) throws {
        let setting = try ProxySetting.fromEnvironment(test.variables)
        #expect(try words(setting, test.url) == test.way)
    }

    @Test func aBadVariableIsNamedAndItsValueIsNot() {
        for name in ["http_proxy", "HTTPS_PROXY", "all_proxy"] {
            let error = #expect(throws: InvalidProxy.self) {
                try ProxySetting.fromEnvironment([name: "gopher://hunter2:swordfish@a"])
            }
            let text = String(describing: error)
            #expect(text.contains(name))
            #expect(!text.contains("hunter2") && !text.contains("swordfish"))
        }
    }

    private func origin(_ url: String) throws -> Origin { try RequestURL(parsing: url).origin }

    private func words(_ setting: ProxySetting, _ url: String) throws -> String {
        switch setting {
        case .inherit: "inherit"
        case .direct: "direct"
        case .proxy(let endpoint): endpoint.description
        case .chain(let endpoints): "\(endpoints)"
        case .rules(let rules): try words(rules.setting(for: origin(url)), url)
        }
    }
}
