import ApusSocket
import Glibc
import Testing

/// Literals, zones and paths become addresses, and addresses become text.
@Suite(.timeLimit(.minutes(5))) struct SocketAddressTests {
    // MARK: Literals

    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1:80", [127, 0, 0, 1]),
        ("0.0.0.0", "0.0.0.0:80", [0, 0, 0, 0]),
        ("255.255.255.255", "255.255.255.255:80", [255, 255, 255, 255]),
        ("::1", "[::1]:80", [UInt8](repeating: 0, count: 15) + [1]),
        ("::", "[::]:80", [UInt8](repeating: 0, count: 16)),
        ("2001:DB8::0:1", "[2001:db8::1]:80", [0x20, 1, 0xD, 0xB8] + zeros(11) + [1]),
        ("::ffff:1.2.3.4", "[::ffff:1.2.3.4]:80", zeros(10) + [255, 255, 1, 2, 3, 4]),
    ])
    func aLiteralIsReadAndDescribed(literal: String, text: String, bytes: [UInt8]) throws {
        let address = try #require(SocketAddress(literal: literal, port: 80))
        #expect(address.description == text)
        #expect(address.hostBytes == bytes)
        #expect(address.port == 80)
        #expect(address.family == (bytes.count == 4 ? .ipv4 : .ipv6))
    }

    @Test(arguments: [
        "", "localhost", "example.com", "127.0.0", "127.1", "127.0.0.256", "127.0.0.1.", "1",
        "0x7f.0.0.1", "127.0.0.1:80", "127.0.0.1 ", " 127.0.0.1", "127.0.0.1%1", "[::1]", "::1::",
        "::12345", ":", "::g", "1:2:3:4:5:6:7", "fe80::1%", "fe80::1%no-such-zone", "::1%0",
        "%1", "::1%-1", "127.0.0.1\u{0}", "127.0.0.1\u{0}x", "::1\u{0}",
    ])
    func aNameOrABadLiteralIsNoAddress(text: String) {
        #expect(SocketAddress(literal: text, port: 80) == nil)
    }

    @Test(arguments: [0, 1, 80, 443, 65535] as [UInt16])
    func thePortMayBeChanged(port: UInt16) throws {
        for literal in ["10.1.2.3", "fe80::1%3"] {
            let address = try #require(SocketAddress(literal: literal, port: port))
            #expect(address.port == port)
            let moved = try #require(SocketAddress(literal: literal, port: 9)).with(port: port)
            #expect(moved == address)
            #expect(moved.hashValue == address.hashValue)
            #expect(moved.with(port: port ^ 1) != address)
        }
    }

    // MARK: Zones

    @Test func aZoneIsANumberOrAnInterfacesName() throws {
        let index = if_nametoindex("lo")
        try #require(index > 0)
        let named = try #require(SocketAddress(literal: "fe80::1%lo", port: 1))
        #expect(named == SocketAddress(literal: "fe80::1%\(index)", port: 1))
        #expect(named.family == .ipv6)
    }

    @Test func addressesDifferInTheirZone() throws {
        let third = try #require(SocketAddress(literal: "fe80::1%3", port: 1))
        #expect(third != SocketAddress(literal: "fe80::1%4", port: 1))
        #expect(third != SocketAddress(literal: "fe80::1", port: 1))
        #expect(third.description == "[fe80::1%3]:1")
        #expect(third.hostBytes == SocketAddress(literal: "fe80::1", port: 1)?.hostBytes)
    }

    // MARK: Unix paths

    @Test func aUnixPathHas1To107Bytes() throws {
        let longest = "/" + String(repeating: "a", count: 106)
        for path in ["/run/a.sock", "relative", longest] {
            let address = try #require(SocketAddress(unixPath: path))
            #expect(address.description == "unix:\(path)")
            #expect(address.family == .unix)
            #expect(address.port == 0)
            #expect(address.hostBytes.isEmpty)
            #expect(address.with(port: 5) == address)
        }
        for path in ["", longest + "a", "/a\u{0}b", "\u{0}abstract"] {
            #expect(SocketAddress(unixPath: path) == nil)
        }
    }

    @Test func differentPathsAreDifferentAddresses() {
        #expect(SocketAddress(unixPath: "/a") == SocketAddress(unixPath: "/a"))
        #expect(SocketAddress(unixPath: "/a") != SocketAddress(unixPath: "/b"))
        #expect(SocketAddress(unixPath: "/a") != SocketAddress(unixPath: "/aa"))
    }
}

private func zeros(_ count: Int) -> [UInt8] {
    [UInt8](repeating: 0, count: count)
}
