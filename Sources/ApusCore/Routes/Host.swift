/// The rules for host names and literals in one place, so that routing, SNI and verification use
/// the same text.
package enum Host {
    /// The host in lower case and without brackets; an address in its canonical spelling.
    package static func normalized(_ text: String) throws(InvalidRequest) -> String {
        // Checked before lower-casing, which turns the Kelvin sign into an ASCII "k".
        for byte in text.utf8 where byte >= 0x80 {
            throw InvalidRequest(
                field: "host", reason: "contains a character that is not allowed (byte \(byte))")
        }
        var host = text.lowercased()
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = String(host.dropFirst().dropLast()) }
        if host.utf8.contains(UInt8(ascii: ":")) {
            guard let zone = text.utf8.firstIndex(of: UInt8(ascii: "%")) else {
                return try canonicalIPv6(host[...])
            }
            return try literal(host.prefix { $0 != "%" }, zone: text[zone...])
        }
        guard !isBracketed else { throw bracketsAroundName }
        let name = Host.withoutDot(host)
        guard !name.isEmpty else { throw InvalidRequest(field: "host", reason: "is missing") }
        guard name.utf8.count <= 255 else {
            throw InvalidRequest(field: "host", reason: "is longer than 255 bytes")
        }
        guard !name.hasPrefix("."), !name.hasSuffix("."), !name.contains("..") else {
            throw InvalidRequest(field: "host", reason: "contains an empty label")
        }
        for byte in name.utf8 where !isNameByte(byte) {
            throw InvalidRequest(
                field: "host", reason: "contains a character that is not allowed (byte \(byte))")
        }
        if let address = try HostNumber.address(of: name) { return address }
        return host
    }

    /// `host:port`, with brackets around IPv6.
    package static func withPort(_ host: String, _ port: UInt16) -> String {
        host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// The name without a trailing dot.
    package static func withoutDot(_ name: String) -> String {
        name.utf8.last == UInt8(ascii: ".") ? String(name.dropLast()) : name
    }

    private static let bracketsAroundName = InvalidRequest(
        field: "host", reason: "has brackets around a name")

    private static func canonicalIPv6(_ text: Substring) throws(InvalidRequest) -> String {
        guard let address = AddressLiteral.canonicalIPv6(text) else {
            throw InvalidRequest(field: "host", reason: "is not an IPv6 address")
        }
        return address
    }

    /// An IPv6 literal with a zone, which a URL writes as `%25` and the zone's name (RFC 6874,
    /// section 2); a lone `%` is accepted too, and names of interfaces keep their case.
    private static func literal(
        _ address: Substring, zone text: Substring
    ) throws(InvalidRequest) -> String {
        var zone = text.dropFirst()
        if zone.hasSuffix("]") { zone.removeLast() }
        if zone.hasPrefix("25"), zone.count > 2 { zone = zone.dropFirst(2) }
        let isZone = zone.utf8.allSatisfy { byte in
            isNameByte(byte) || (0x41...0x5A).contains(byte) || byte == UInt8(ascii: "~")
        }
        guard isZone, (1...15).contains(zone.utf8.count) else {
            throw InvalidRequest(field: "host", reason: "has an invalid zone")
        }
        return "\(try canonicalIPv6(address))%\(zone)"
    }

    /// Parses the common case in one pass without a copy: a normalised name or IPv4 address, and
    /// perhaps a port.
    ///
    /// - Returns: `nil` in every other case, which `split` and `normalized` handle.
    static func plain(_ authority: String) -> (host: String, port: UInt16?)? {
        let bytes = authority.utf8.span
        let dot = UInt8(ascii: ".")
        var end = 0
        var labelStart = 0
        var last = dot
        while end < bytes.count, bytes[end] != UInt8(ascii: ":") {
            guard isNameByte(bytes[end]), bytes[end] != dot || last != dot else { return nil }
            last = bytes[end]
            end += 1
            if last == dot { labelStart = end }
        }
        guard end > 0, end <= 255, last != dot else { return nil }
        // The last label may be a number, which makes the host an address in another spelling.
        if (0x30...0x39).contains(bytes[labelStart]), !HostNumber.isPlainAddress(bytes, upTo: end) {
            return nil
        }
        guard end < bytes.count else { return (authority, nil) }
        var port: UInt32 = 0
        guard (2...6).contains(bytes.count - end) else { return nil }
        for index in end + 1..<bytes.count {
            guard (0x30...0x39).contains(bytes[index]) else { return nil }
            port = port * 10 + UInt32(bytes[index] - 0x30)
        }
        guard port > 0, let port = UInt16(exactly: port) else { return nil }
        return (String(decoding: authority.utf8.prefix(end), as: UTF8.self), port)
    }

    /// Splits `host[:port]`, brackets included.
    package static func split(_ authority: String) throws(InvalidRequest) -> (
        host: String, port: Int?
    ) {
        guard !authority.contains("@") else {
            throw InvalidRequest(
                field: "host", reason: "contains user information")
        }
        let host: Substring
        let rest: Substring
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else {
                throw InvalidRequest(field: "host", reason: "has no closing bracket")
            }
            host = authority[...end]
            guard host.contains(":") else { throw bracketsAroundName }
            rest = authority[authority.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else {
                throw InvalidRequest(field: "host", reason: "continues after its closing bracket")
            }
        } else {
            let colon = authority.firstIndex(of: ":") ?? authority.endIndex
            host = authority[..<colon]
            rest = authority[colon...]
        }
        guard !rest.isEmpty, rest != ":" else { return (String(host), nil) }
        // Any number of digits, so leading zeros too (RFC 3986, section 3.2.3).
        let digits = rest.dropFirst()
        let number = digits.drop { $0 == "0" }
        guard number.utf8.count <= 5, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = Int(number),
            (1...65535).contains(port)
        else { throw InvalidRequest(field: "port", reason: "is not a number in 1...65535") }
        return (String(host), port)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x61...0x7A, 0x30...0x39, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"): true
        default: false
        }
    }
}
