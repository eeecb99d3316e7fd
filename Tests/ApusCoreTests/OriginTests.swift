import ApusCore
import Testing

/// Hosts, ports and authorities: what is taken, how it is normalised, and what is refused.
@Suite struct OriginTests {
    // MARK: Authorities

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

    // MARK: Numbers and addresses

    /// As in the URL standard of WHATWG: a host whose last label is a number is an IPv4 address.
    @Test(arguments: [
        ("127.1", "127.0.0.1"), ("0x7f.1", "127.0.0.1"), ("2130706433", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"), ("0", "0.0.0.0"), ("0x", "0.0.0.0"),
        ("127.0.0.1.", "127.0.0.1"),
        ("1.2.3", "1.2.0.3"), ("1.2.65535", "1.2.255.255"), ("1.16777215", "1.255.255.255"),
        ("4294967295", "255.255.255.255"), ("0XFF.0x1.010.9", "255.1.8.9"),
        ("0x00000000000000007F000001", "127.0.0.1"), ("192.168.0.1", "192.168.0.1"),
        ("0.0.0.0", "0.0.0.0"), ("00.0.0.0", "0.0.0.0"),
        ("1a", "1a"), ("1.2.3.4a", "1.2.3.4a"), ("0xg", "0xg"), ("1.example", "1.example"),
        ("x0x1", "x0x1"), ("1-2", "1-2"), ("1e9", "1e9"), ("3com", "3com"),
    ])
    func aNumberIsTheAddressThatItStandsFor(text: String, host: String) throws {
        for scheme in [Scheme.http, .https] {
            #expect(try Origin(scheme: scheme, authority: text).host == host)
            #expect(try Origin(scheme: scheme, authority: "\(text):81").host == host)
            #expect(try Origin(scheme: scheme, host: text).host == host)
            #expect(try ProxyEndpoint(kind: .http, host: text).host == host)
        }
    }

    @Test(arguments: [
        "256.0.0.1", "1.2.3.256", "1.2.65536", "1.16777216", "4294967296", "1.2.3.4.5", "08",
        "09.1",
        "1.2.3.08", "foo.1", "foo.0x1", "a.b.255", "0x1ffffffff", "1..2", "1.2.3.4..",
        "99999999999999999999999999", "0xffffffffffffffffffffffff", "example.08",
    ])
    func aNumberThatIsNoAddressIsRefused(text: String) {
        #expect(refusedField { _ = try Origin(scheme: .http, authority: text) } == "host")
        #expect(refusedField { _ = try Origin(scheme: .http, host: text, port: 1) } == "host")
    }

    /// RFC 5952, section 4, and section 5 for an IPv4 address in IPv6.
    @Test(arguments: [
        ("0:0:0:0:0:0:0:1", "::1"), ("::", "::"), ("0:0:0:0:0:0:0:0", "::"), ("1::", "1::"),
        ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0db8:0000:0000:0000:ff00:0042:8329", "2001:db8::ff00:42:8329"),
        ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("::ffff:7f00:1", "::ffff:127.0.0.1"), ("0::FFFF:127.0.0.1", "::ffff:127.0.0.1"),
        ("::1.2.3.4", "::102:304"), ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
        ("fe80:0::1%eth0", "fe80::1%eth0"),
    ])
    func anIPv6AddressHasOneSpelling(text: String, host: String) throws {
        #expect(try Origin(scheme: .http, authority: "[\(text)]").host == host)
        #expect(try Origin(scheme: .http, host: text).host == host)
        #expect(try Origin(scheme: .http, authority: "[\(text)]:81").host == host)
    }

    @Test(arguments: [
        "[:]", "[:::]", "[::1::]", "[1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8:9]", "[12345::]", "[g::1]",
        "[a:b]", "[::1.2.3]", "[::1.2.3.256]", "[1.2.3.4::]", "[::1%]", "[:1%lo]", "[a:b%lo]",
        "[v1.a:b]", "[127.0.0.1]",
    ])
    func bracketsWithoutAnAddressAreRefused(text: String) {
        #expect(refusedField { _ = try Origin(scheme: .http, authority: text) } == "host")
        #expect(refusedField { _ = try Origin(scheme: .http, host: text) } == "host")
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
        #expect(try Origin(scheme: .http, host: longest + ".").host == longest + ".")
        #expect(refusedField { _ = try Origin(scheme: .http, host: longest + "a") } == "host")
    }

    @Test func originsAreEqualOnceNormalised() throws {
        let plain = try Origin(scheme: .https, host: "example.com")
        #expect(try Origin(scheme: .https, authority: "Example.COM:443") == plain)
        #expect(try Origin(scheme: .https, authority: "example.com.") != plain)
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
