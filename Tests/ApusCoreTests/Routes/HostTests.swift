import ApusCore
import Testing

/// Hosts and ports: what is accepted, how it is normalised, and what is refused.
@Suite struct HostTests {
    @Test(arguments: [
        ("example.com", "example.com", 443), ("example.com:8443", "example.com", 8443),
        ("EXAMPLE.Com", "example.com", 443), ("example.com.", "example.com.", 443),
        ("Example.com.:81", "example.com.", 81), ("example.com:", "example.com", 443),
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

    @Test func aHostHasAtMost255Bytes() throws {
        let longest = String(repeating: "a", count: 255)
        #expect(try Origin(scheme: .http, host: longest).host == longest)
        #expect(try Origin(scheme: .http, host: longest + ".").host == longest + ".")
        #expect(refusedField { _ = try Origin(scheme: .http, host: longest + "a") } == "host")
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
