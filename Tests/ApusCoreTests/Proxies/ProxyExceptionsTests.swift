import ApusCore
import Testing

/// FAULTS 2.4: what a NO_PROXY list covers, and beside each case what it must not.
@Suite struct ProxyExceptionsTests {
    @Test(
        "section 2.4: a name matches itself and what is below it, on the boundary of a label",
        arguments: [
            ("example.com", "https://example.com", true),
            ("example.com", "https://www.example.com", true),
            ("example.com", "https://a.b.example.com:8443", true),
            ("example.com", "https://badexample.com", false),
            ("example.com", "https://example.com.evil.test", false),
            ("example.com", "https://example.org", false),
            ("example.com", "https://com", false),
            ("com", "https://example.com", true),
        ])
    func names(_ list: String, _ url: String, _ expected: Bool) throws {
        #expect(try covers(list, url) == expected)
    }

    @Test(
        "section 2.4: a leading dot or star means what is below a name alone",
        arguments: [
            (".example.com", "https://www.example.com", true),
            (".example.com", "https://example.com", false),
            (".example.com", "https://badexample.com", false),
            ("*.example.com", "https://www.example.com", true),
            ("*.example.com", "https://example.com", false),
            ("*example.com", "https://www.example.com", false),
        ])
    func leadingDots(_ list: String, _ url: String, _ expected: Bool) throws {
        #expect(try covers(list, url) == expected)
    }

    @Test(
        "section 2.4: case and trailing dots on either side say nothing",
        arguments: [
            ("EXAMPLE.com", "https://example.COM", true),
            ("example.com.", "https://example.com", true),
            ("example.com", "https://example.com.", true),
            (".example.com.", "https://www.example.com.", true),
            ("example.com..", "https://example.com", false),
        ])
    func caseAndDots(_ list: String, _ url: String, _ expected: Bool) throws {
        #expect(try covers(list, url) == expected)
    }

    @Test(
        "section 2.4: a port narrows an entry",
        arguments: [
            ("example.com:443", "https://example.com", true),
            ("example.com:443", "http://example.com", false),
            ("example.com:8080", "http://www.example.com:8080", true),
            ("example.com:8080", "http://example.com:8081", false),
            ("127.0.0.1:81", "http://127.0.0.1:81", true),
            ("127.0.0.1:81", "http://127.0.0.1", false),
            ("[::1]:81", "http://[::1]:81", true), ("[::1]:81", "http://[::1]", false),
            ("example.com:", "http://example.com", false),
            ("example.com:0", "http://example.com", false),
            ("example.com:http", "http://example.com", false),
            ("example.com:+80", "http://example.com", false),
            ("example.com:-80", "http://example.com", false),
            ("127.0.0.1:+81", "http://127.0.0.1:81", false),
            ("example.com:080", "http://example.com", true),
        ])
    func ports(_ list: String, _ url: String, _ expected: Bool) throws {
        #expect(try covers(list, url) == expected)
    }

    @Test(
        "section 2.4: addresses in each of their spellings, and never as names",
        arguments: [
            ("127.0.0.1", "http://127.0.0.1", true), ("127.0.0.1", "http://127.0.0.10", false),
            ("0.0.1", "http://127.0.0.1", false), ("1", "http://127.0.0.1", false),
            ("127.0.0.1", "http://localhost", false), ("localhost", "http://127.0.0.1", false),
            ("::1", "http://[::1]", true), ("[::1]", "http://[::1]", true),
            ("0:0:0:0:0:0:0:1", "http://[::1]", true), ("::1", "http://[::2]", false),
            ("2001:DB8::A", "http://[2001:db8:0::a]", true),
            ("1.2.3.4", "http://[::ffff:1.2.3.4]", true),
            ("::ffff:1.2.3.4", "http://1.2.3.4", true),
            ("01.2.3.4", "http://1.2.3.4", true), ("127.1", "http://127.0.0.1", true),
            ("127.1:81", "http://0x7f.1:81", true), ("2130706433", "http://127.0.0.1", true),
            ("::1::", "http://[::1]", false),
        ])
    func addresses(_ list: String, _ url: String, _ expected: Bool) throws {
        #expect(try covers(list, url) == expected)
    }

    @Test(
        "section 2.4: ranges of addresses, in both families",
        arguments: [
            ("10.0.0.0/8", "http://10.255.0.1", true), ("10.0.0.0/8", "http://11.0.0.1", false),
            ("10.1.2.3/8", "http://10.9.9.9", true),
            ("192.168.4.0/22", "http://192.168.7.255", true),
            ("192.168.4.0/22", "http://192.168.8.0", false),
            ("0.0.0.0/0", "http://8.8.8.8", true), ("0.0.0.0/0", "http://[::1]", false),
            ("127.0.0.1/32", "http://127.0.0.1", true),
            ("127.0.0.1/32", "http://127.0.0.2", false),
            ("127.0.0.1/33", "http://127.0.0.1", false),
            ("127.0.0.1/-1", "http://127.0.0.1", false), ("10.0.0.0/+8", "http://10.0.0.1", false),
            ("127.0.0.1/", "http://127.0.0.1", false),
            ("fd00::/8", "http://[fdff::1]", true), ("fd00::/8", "http://[fe00::1]", false),
            ("2001:db8::/33", "http://[2001:db8:7fff::]", true),
            ("2001:db8::/33", "http://[2001:db8:8000::]", false),
            ("[fd00::]/8", "http://[fd00::1]", true), ("::1/129", "http://[::1]", false),
            ("example.com/8", "http://example.com", false),
        ])
    func ranges(_ list: String, _ url: String, _ expected: Bool) throws {
        #expect(try covers(list, url) == expected)
    }

    @Test(
        "section 2.4: a zone is no part of an address, and never a name",
        arguments: [
            ("fe80::1", "http://[fe80::1%eth0]", true),
            ("fe80::/10", "http://[fe80::1%eth0]", true),
            ("fe80::1%eth1", "http://[fe80::1%eth0]", true),
            ("example.com", "http://[fe80::1%25.example.com]", false),
            (".example.com", "http://[::1%25.example.com]", false),
            ("*.example.com", "http://[::1%.example.com]", false),
            ("eth0", "http://[fe80::1%eth0]", false),
        ])
    func zones(_ list: String, _ url: String, _ expected: Bool) throws {
        #expect(try covers(list, url) == expected)
    }

    @Test(
        "section 2.4: lists, the star, and what is none of these",
        arguments: [
            ("*", "http://anything.test", true), ("*", "http://[::1]", true),
            ("a.test,*", "http://b.test", true), (" * ", "http://b.test", true),
            ("", "http://a.test", false), (" , ,", "http://a.test", false),
            ("a.test, b.test", "http://b.test", true), ("a.test b.test", "http://b.test", true),
            ("a.test\tb.test\n", "http://b.test", true), (",,a.test,,", "http://a.test", true),
            ("http://a.test", "http://a.test", false), ("a.test/path", "http://a.test", false),
            ("a b", "http://a.test", false), (".", "http://a.test", false),
            ("*.", "http://a.test", false), (":80", "http://a.test", false),
            ("[", "http://[::1]", false), ("[]", "http://[::1]", false),
        ])
    func lists(_ list: String, _ url: String, _ expected: Bool) throws {
        #expect(try covers(list, url) == expected)
    }

    private func covers(_ list: String, _ url: String) throws -> Bool {
        try ProxyExceptions(parsing: list).covers(try RequestURL(parsing: url).origin)
    }
}
