import ApusCore
import Testing

/// Hosts that are numbers become the IPv4 address that C and browsers take them for.
@Suite struct HostNumberTests {
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
    func aNumberBecomesTheAddressThatItSpells(text: String, host: String) throws {
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
    func aNumberThatIsNotAnAddressIsRefused(text: String) {
        #expect(refusedField { _ = try Origin(scheme: .http, authority: text) } == "host")
        #expect(refusedField { _ = try Origin(scheme: .http, host: text, port: 1) } == "host")
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
