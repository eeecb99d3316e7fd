import ApusCore
import Testing

/// Address literals have one spelling, and bad ones are refused.
@Suite struct AddressLiteralTests {
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

    private func refusedField(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return (error as? InvalidRequest)?.field
        }
    }
}
