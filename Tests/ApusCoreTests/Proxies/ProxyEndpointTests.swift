import ApusCore
import HTTPTypes
import Testing

/// What few proxies need, and which of it is refused.
@Suite struct ProxyEndpointTests {
    @Test func socks4aTakesAUserAndNoPassword() throws {
        let endpoint = try ProxyEndpoint(parsing: "socks4a://user@proxy")
        #expect(endpoint.kind == .socks4a)
        #expect(endpoint.port == 1080)
        #expect(endpoint.credentials?.user == "user")
        #expect(throws: InvalidProxy(reason: "a password cannot be sent to a SOCKS 4a proxy")) {
            try ProxyEndpoint(parsing: "socks4a://user:word@proxy")
        }
    }

    @Test(arguments: [
        "host", "content-length", "transfer-encoding", "connection", "upgrade", "te",
        "keep-alive", "trailer",
    ])
    func fieldsOfTheEngineAreRefused(_ name: String) throws {
        var options = ProxyEndpoint.Options()
        options.fields[try #require(HTTPField.Name(name))] = "secret"
        let error = #expect(throws: InvalidProxy.self) {
            try ProxyEndpoint(parsing: "http://proxy", options: options)
        }
        #expect(error?.reason == "field \(name) is set by the engine itself")
    }

    @Test func whoWeAreIsSaidInOnePlace() throws {
        var options = ProxyEndpoint.Options()
        options.fields = [.proxyAuthorization: "Bearer secret"]
        _ = try ProxyEndpoint(parsing: "http://proxy", options: options)
        expectRefusal("http://user:word@proxy", options, "proxy-authorization is set twice")
        options.authentication = .answering(ProxyAuthenticator(begin: { _, _ in {} }))
        expectRefusal("http://proxy", options, "proxy-authorization is set twice")
        options.fields = [:]
        _ = try ProxyEndpoint(parsing: "http://proxy", options: options)
        expectRefusal("http://u:w@proxy", options, "both credentials and a callback are set")
        options.authentication = .whenAsked
        _ = try ProxyEndpoint(parsing: "http://u:w@proxy", options: options)
        expectRefusal("http://proxy", options, "credentials for the answer to a 407 are missing")
    }

    @Test func socksTakesNoneOfItAndTLSIsForHTTPSProxies() {
        var options = ProxyEndpoint.Options()
        options.fields = [.userAgent: "a"]
        expectRefusal(
            "socks5://p", options,
            "fields and authentication are set for a SOCKS proxy, which has neither")
        options.fields = [:]
        options.authentication = .whenAsked
        expectRefusal(
            "socks4a://u@p", options,
            "fields and authentication are set for a SOCKS proxy, which has neither")
        options.authentication = .atOnce
        options.tls = EngineTuning.TLS()
        expectRefusal("http://p", options, "TLS settings are set for a proxy that is not https")
        options.tls?.minimumVersion = .tls13
        options.tls?.maximumVersion = .tls12
        expectRefusal(
            "https://p", options,
            "TLS settings: tls.minimumVersion: is above tls.maximumVersion")
    }

    @Test func aProxyUsesTheEnginesTLSSettingsExceptThoseOfOrigins() throws {
        var engine = EngineTuning.TLS()
        engine.roots = .file("roots.pem")
        engine.identity = .init(certificateFile: "a.pem", keyFile: "a.key")
        engine.serverName = "origin.test"
        engine.insecureSkipVerify = true
        engine.minimumVersion = .tls13
        engine.allowsPartialChain = true
        engine.groups = ["X25519"]
        var lent = EngineTuning.TLS()
        lent.roots = .file("roots.pem")
        lent.minimumVersion = .tls13
        lent.allowsPartialChain = true
        lent.groups = ["X25519"]
        #expect(try ProxyEndpoint(parsing: "https://p").tls(in: engine) == lent)
        var options = ProxyEndpoint.Options()
        options.tls = EngineTuning.TLS()
        options.tls?.insecureSkipVerify = true
        let own = try ProxyEndpoint(parsing: "https://p", options: options)
        #expect(own.tls(in: engine) == options.tls)
    }

    @Test func endpointsDifferByEachOption() throws {
        let changes: [(inout ProxyEndpoint.Options) -> Void] = [
            { $0.fields = [.userAgent: "a"] }, { $0.fields = [.userAgent: "b"] },
            { $0.authentication = .whenAsked }, { $0.allowsHTTP2 = false },
            { $0.tls = EngineTuning.TLS() },
            {
                $0.tls = .init(); $0.tls?.serverName = "a"
            },
        ]
        let all = try changes.map { change in
            var options = ProxyEndpoint.Options()
            change(&options)
            return try ProxyEndpoint(parsing: "https://u:p@proxy", options: options)
        }
        for (index, one) in all.enumerated() {
            for (other, two) in all.enumerated() { #expect((one == two) == (index == other)) }
            #expect(try one != ProxyEndpoint(parsing: "https://u:p@proxy"))
            #expect(
                try one == ProxyEndpoint(parsing: "https://u:p@proxy", options: one.options))
        }
    }

    @Test func fieldsAreNeverPrinted() throws {
        var options = ProxyEndpoint.Options()
        options.fields = [.proxyAuthorization: "Bearer swordfish"]
        let endpoint = try ProxyEndpoint(parsing: "http://proxy", options: options)
        let route = Route(
            origin: try Origin(scheme: .https, host: "o.test"), proxies: [endpoint, endpoint])
        #expect(route.description == "https://o.test via http://proxy:80 then http://proxy:80")
        for value in [endpoint, options, ProxySetting.chain([endpoint]), route] as [Any] {
            var dumped = ""
            dump(value, to: &dumped)
            for text in ["\(value)", String(reflecting: value), dumped] {
                #expect(!text.contains("swordfish"), "\(text)")
            }
        }
    }

    @Test(arguments: [
        ("Basic realm=\"a\"", true), ("basic", true), ("Digest realm=\"a\", Basic realm=b", true),
        ("Digest realm=\"a, Basic x\"", false), ("Digest realm=\"\\\", Basic\"", false),
        ("Negotiate", false), ("Digest basic=1", false), ("", false), ("Basically", false),
    ])
    func aChallengeNamesTheSchemesItTakes(_ value: String, _ takesBasic: Bool) {
        let challenge = ProxyChallenge(proxy: "p", fields: [.proxyAuthenticate: value])
        #expect(challenge.takesBasic == takesBasic)
    }

    @Test func causesOfSOCKSHaveNamesAndWords() {
        var error = TransportError(.proxyReply(5), phase: .proxy, message: "m")
        #expect(error.socksCause == .connectionRefused)
        error.kind = .proxyFailed
        #expect(error.socksCause == nil)
        let known = (UInt8(1)...8).map(SOCKSCause.init) + (UInt8(91)...93).map(SOCKSCause.init)
        #expect(Set(known).count == 11)
        #expect(!known.contains(.unassigned))
        for code in [0, 9, 90, 94, 255] as [UInt8] {
            #expect(SOCKSCause(code: code) == .unassigned)
        }
    }

    private func expectRefusal(
        _ url: String, _ options: ProxyEndpoint.Options, _ reason: String
    ) {
        #expect(throws: InvalidProxy(reason: reason)) {
            try ProxyEndpoint(parsing: url, options: options)
        }
    }
}
