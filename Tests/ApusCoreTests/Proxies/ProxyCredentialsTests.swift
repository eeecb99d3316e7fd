import ApusCore
import Testing

/// Credentials are read from a URL and appear in no text.
@Suite struct ProxyCredentialsTests {
    @Test(arguments: [
        ("http://user:word@proxy", "user", "word"), ("http://user@proxy", "user", ""),
        ("http://user:@proxy", "user", ""), ("http://:word@proxy", "", "word"),
        ("http://user:a:b@proxy", "user", "a:b"), ("http://us%65r:%77ord@proxy", "user", "word"),
        ("http://a%40b:c%2Fd%3a@proxy", "a@b", "c/d:"), ("http://a@b:c@proxy", "a@b", "c"),
        ("socks5://a%3Ab:c@proxy", "a:b", "c"),
        ("socks5h://%c3%bc:%E2%82%AC@proxy", "ü", "€"), ("http://a+b:c%20d@proxy", "a+b", "c d"),
    ])
    func userAndPasswordArePercentDecoded(text: String, user: String, password: String) throws {
        let credentials = try #require(try endpoint(text)?.credentials)
        #expect(credentials == (try ProxyCredentials(user: user, password: password)))
    }

    @Test(arguments: ["http://proxy", "http://@proxy"])
    func withoutUserInformationThereAreNoCredentials(text: String) throws {
        #expect(try endpoint(text)?.credentials == nil)
    }

    @Test func aUserAndAPasswordHaveAtMost255Bytes() throws {
        let longest = String(repeating: "x", count: 255)
        _ = try ProxyCredentials(user: longest, password: longest)
        #expect(throws: InvalidProxy.self) {
            try ProxyCredentials(user: longest + "x", password: "")
        }
        #expect(throws: InvalidProxy.self) {
            try ProxyCredentials(user: "", password: longest + "x")
        }
    }

    @Test(arguments: [
        "http://hunter2:swordfish@proxy:0", "http://hunter2:swordfish@pro xy",
        "ftp://hunter2:swordfish@proxy", "hunter2:swordfish@proxy",
        "http://hunter2:swordfish%@proxy", "http://hunter2%zz:swordfish@proxy",
        "http://hunter2:swordfish%00@proxy", "http://hunter2:swordfish", "hunter2://swordfish",
        "http://hunter2:swordfish@[::1", "http://hunter2:sword/fish@proxy",
        "http://hunter2:swordfish@", "http://hunter2:swordfish@proxy:hunter2",
    ])
    func noRefusalHoldsCredentials(text: String) {
        let error = #expect(throws: InvalidProxy.self) { try ProxySetting(parsing: text) }
        for secret in ["hunter2", "swordfish", "fish"] {
            #expect(error.map { "\($0)".contains(secret) } == false)
            #expect(error.map { String(reflecting: $0).contains(secret) } == false)
        }
    }

    @Test func noDescriptionHoldsCredentials() throws {
        let setting = try ProxySetting(parsing: "https://hunter2:swordfish@proxy:1")
        guard case .proxy(let endpoint) = setting else {
            Issue.record("not a proxy")
            return
        }
        let credentials = try #require(endpoint.credentials)
        var dumped = ""
        dump(setting, to: &dumped)
        let texts = [
            dumped, "\(setting)", String(reflecting: setting), "\(endpoint)",
            String(reflecting: endpoint),
            "\(credentials)", String(reflecting: credentials), "\([credentials])",
            "\(Optional(endpoint) as Any)",
        ]
        for text in texts {
            #expect(!text.contains("hunter2") && !text.contains("swordfish"), "\(text)")
        }
        #expect(endpoint.description == "https://proxy:1")
    }

    private func endpoint(_ text: String) throws -> ProxyEndpoint? {
        guard case .proxy(let endpoint) = try ProxySetting(parsing: text) else { return nil }
        return endpoint
    }
}
