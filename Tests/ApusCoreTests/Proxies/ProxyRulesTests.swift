import ApusCore
import Testing

/// Which proxy each origin gets; rules compare by value and print no secret.
@Suite struct ProxyRulesTests {
    @Test func equalRulesAreEqualAndOthersAreNot() throws {
        let variables = ["http_proxy": "http://u:p@a:1", "no_proxy": "x.test"]
        let one = try ProxySetting.fromEnvironment(variables)
        #expect(try one == .fromEnvironment(variables))
        #expect(try one.hashValue == ProxySetting.fromEnvironment(variables).hashValue)
        for (name, value) in [
            ("http_proxy", "http://u:q@a:1"), ("no_proxy", "y.test"), ("https_proxy", "b:1"),
        ] {
            var changed = variables
            changed[name] = value
            #expect(try one != .fromEnvironment(changed))
        }
    }

    @Test func rulesShowNoCredentials() throws {
        let setting = try ProxySetting.fromEnvironment(["http_proxy": "http://hunter2:swordfish@a"])
        var dumped = ""
        dump(setting, to: &dumped)
        for text in ["\(setting)", String(reflecting: setting), dumped] {
            #expect(!text.contains("hunter2") && !text.contains("swordfish"), "\(text)")
        }
    }

    @Test func rulesMayNameChainsAndOtherRules() throws {
        let a = try ProxyEndpoint(parsing: "http://a:1")
        let b = try ProxyEndpoint(parsing: "http://b:2")
        let inner = ProxyRules(http: .proxy(b), except: try ProxyExceptions(parsing: "x.test"))
        let rules = ProxyRules(http: .rules(inner), https: .chain([a, b]))
        let setting = ProxySetting.rules(rules)
        #expect(try setting.proxies(for: origin("https://o.test")) == [a, b])
        #expect(try setting.proxies(for: origin("http://o.test")) == [b])
        #expect(try setting.proxies(for: origin("http://x.test")) == [])
        #expect(try ProxySetting.rules(ProxyRules()).proxies(for: origin("http://o.test")) == [])
    }

    private func origin(_ url: String) throws -> Origin { try RequestURL(parsing: url).origin }
}
