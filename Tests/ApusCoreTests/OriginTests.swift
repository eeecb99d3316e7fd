import ApusCore
import Testing

/// Hosts, ports and authorities: what is taken, how it is normalised, and what is refused.
@Suite struct OriginTests {
    // MARK: Authorities

    @Test(arguments: [
        ("example.com", "example.com", 443), ("example.com:8443", "example.com", 8443),
        ("EXAMPLE.Com", "example.com", 443), ("example.com.", "example.com", 443),
        ("example.com.:81", "example.com", 81), ("example.com:", "example.com", 443),
        ("127.0.0.1:1", "127.0.0.1", 1), ("a_b-c.d:65535", "a_b-c.d", 65535),
        ("[::1]", "::1", 443), ("[::1]:81", "::1", 81), ("[::1]:", "::1", 443),
        ("[FE80::1%eth0]:81", "fe80::1%eth0", 81), ("[::ffff:10.0.0.1]", "::ffff:10.0.0.1", 443),
        ("xn--nxasmq6b:00080", "xn--nxasmq6b", 80), ("example.com:080", "example.com", 80),
        ("example.com:000080", "example.com", 80), ("[::1]:0000065535", "::1", 65535),
    ])
    func anAuthorityGivesHostAndPort(text: String, host: String, port: Int) throws {
        let origin = try Origin(scheme: .https, authority: text)
        #expect(origin.host == host)
        #expect(Int(origin.port) == port)
        #expect(origin.scheme == .https)
    }

    @Test(arguments: [
        ("", "host"), (":80", "host"), ("[]", "host"), ("[]:80", "host"),
        ("user@example.com", "host"), ("user:password@example.com", "host"), ("@", "host"),
        ("[::1", "host"), ("[::1]x", "host"), ("[::1]80", "host"), ("[example.com]", "host"),
        ("[::1]]", "host"), ("[[::1]]", "host"), ("[::1\u{0}]", "host"),
        ("exa mple.com", "host"), ("example.com/", "host"), ("exa\tmple", "host"),
        ("example.com\r\n", "host"), ("a\u{0}b", "host"), ("bücher.example", "host"),
        ("a%41", "host"), ("\u{212A}.example", "host"), (".", "host"), ("..", "host"),
        ("a..b", "host"), (".a", "host"), ("a..", "host"), ("a,b", "host"), ("a\\b", "host"),
        ("a*b", "host"), ("a?b", "host"),
        ("example.com:0", "port"), ("example.com:65536", "port"), ("example.com:+80", "port"),
        ("example.com:-1", "port"), ("example.com:8 0", "port"), ("example.com: 80", "port"),
        ("example.com:80x", "port"), ("example.com:0x50", "port"), ("example.com:0000", "port"),
        ("example.com:80:80", "port"), ("::1", "port"), ("fe80::1", "port"),
        ("example.com:８０", "port"), ("[::1]:x", "port"),
    ])
    func aBadAuthorityIsRefusedNamingThePart(text: String, field: String) {
        #expect(refusedField { _ = try Origin(scheme: .http, authority: text) } == field)
    }

    // MARK: Parts

    @Test func theSchemesOwnPortIsTheDefault() throws {
        #expect(try Origin(scheme: .http, host: "h").port == 80)
        #expect(try Origin(scheme: .https, host: "h").port == 443)
        #expect(Scheme.http.defaultPort == 80)
        #expect(Scheme.https.defaultPort == 443)
    }

    @Test(arguments: [-1, 0, 65536, .max, .min])
    func aPortOutOfRangeIsRefused(port: Int) {
        let field = refusedField { _ = try Origin(scheme: .http, host: "h", port: port) }
        #expect(field == "port")
    }

    @Test func aHostHasAtMost255Bytes() throws {
        let longest = String(repeating: "a", count: 255)
        #expect(try Origin(scheme: .http, host: longest).host == longest)
        #expect(try Origin(scheme: .http, host: longest + ".").host == longest)
        #expect(refusedField { _ = try Origin(scheme: .http, host: longest + "a") } == "host")
    }

    @Test func originsAreEqualOnceNormalised() throws {
        let plain = try Origin(scheme: .https, host: "example.com")
        #expect(try Origin(scheme: .https, authority: "Example.COM.:443") == plain)
        #expect(try Origin(scheme: .https, host: "[::1]") == Origin(scheme: .https, host: "::1"))
        #expect(try Origin(scheme: .http, host: "example.com", port: 443) != plain)
        #expect(try Origin(scheme: .https, host: "example.com", port: 80) != plain)
        #expect(try Origin(scheme: .https, host: "www.example.com") != plain)
    }

    @Test func aZoneTellsOriginsApart() throws {
        let first = try Origin(scheme: .http, authority: "[fe80::1%eth0]")
        #expect(try Origin(scheme: .http, authority: "[fe80::1%eth1]") != first)
        #expect(try Origin(scheme: .http, authority: "[fe80::1]") != first)
    }

    // MARK: Texts

    @Test(arguments: [
        (Scheme.http, "example.com", "example.com", "example.com:80", "http://example.com"),
        (.http, "h:443", "h:443", "h:443", "http://h:443"),
        (.https, "h:443", "h", "h:443", "https://h"),
        (.https, "[::1]", "[::1]", "[::1]:443", "https://[::1]"),
        (.https, "[::1]:8443", "[::1]:8443", "[::1]:8443", "https://[::1]:8443"),
    ])
    func anOriginWritesItself(
        scheme: Scheme, text: String, authority: String, hostAndPort: String, description: String
    ) throws {
        let origin = try Origin(scheme: scheme, authority: text)
        #expect(origin.authority == authority)
        #expect(origin.hostAndPort == hostAndPort)
        #expect(origin.description == description)
        #expect(try Origin(scheme: scheme, authority: origin.authority) == origin)
        #expect(try Origin(scheme: scheme, authority: origin.hostAndPort) == origin)
    }

    @Test func aRefusalNeverRepeatsTheText() {
        for text in ["user:hunter2@h", "hunter2 x", "h:hunter2", "[hunter2"] {
            #expect(throws: InvalidRequest.self) { try Origin(scheme: .http, authority: text) }
            do {
                _ = try Origin(scheme: .http, authority: text)
            } catch {
                #expect(!"\(error)".contains("hunter2"))
                #expect(error.description == "\(error.field): \(error.reason)")
            }
        }
    }

    private func refusedField(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return (error as? InvalidRequest)?.field
        }
    }
}
