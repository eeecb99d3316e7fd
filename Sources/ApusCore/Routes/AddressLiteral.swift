/// An IP address parsed from text, for comparison: four or sixteen bytes in network order.
///
/// An IPv4 address mapped into IPv6 (`::ffff:1.2.3.4`) equals the IPv4 address. A zone is ignored:
/// it names a link, not an address (RFC 4007, section 11).
struct AddressLiteral: Sendable, Hashable {
    let bytes: [UInt8]

    /// Parses a text without brackets; `nil` when it is not an address.
    init?(_ text: Substring) {
        let bare = text.prefix { $0 != "%" }
        if bare.utf8.contains(UInt8(ascii: ":")) {
            guard let bytes = AddressLiteral.ipv6(bare) else { return nil }
            let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 255
            self.bytes = isMapped && bytes[11] == 255 ? Array(bytes[12...]) : bytes
        } else {
            guard bare.count == text.count, let bytes = AddressLiteral.ipv4(bare) else {
                return nil
            }
            self.bytes = bytes
        }
    }

    /// Whether both are of one family and their first `length` bits are equal.
    func hasPrefix(of other: AddressLiteral, length: Int) -> Bool {
        guard bytes.count == other.bytes.count else { return false }
        let whole = length / 8
        guard bytes[..<whole].elementsEqual(other.bytes[..<whole]) else { return false }
        let rest = length % 8
        return rest == 0 || (bytes[whole] ^ other.bytes[whole]) >> UInt8(8 - rest) == 0
    }

    /// Four decimal numbers without leading zeros, which some parsers read as octal.
    private static func ipv4(_ text: Substring) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        let bytes = parts.compactMap { part -> UInt8? in
            guard part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                part.count == 1 || !part.hasPrefix("0")
            else { return nil }
            return UInt8(part)
        }
        return bytes.count == 4 ? bytes : nil
    }

    /// An IPv6 address in its one canonical spelling (RFC 5952, sections 4 and 5); `nil` when the
    /// text, without brackets and zone, is not an address.
    static func canonicalIPv6(_ text: Substring) -> String? {
        guard let bytes = ipv6(text) else { return nil }
        if bytes[..<10].allSatisfy({ $0 == 0 }), bytes[10] == 255, bytes[11] == 255 {
            return "::ffff:" + bytes[12...].map { "\($0)" }.joined(separator: ".")
        }
        let groups = stride(from: 0, to: 16, by: 2).map {
            UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1])
        }
        let texts = groups.map { String($0, radix: 16) }
        let gap = longestZeros(groups)
        guard gap.count > 1 else { return texts.joined(separator: ":") }
        return texts[..<gap.lowerBound].joined(separator: ":") + "::"
            + texts[gap.upperBound...].joined(separator: ":")
    }

    /// The first of the longest runs of zeros.
    private static func longestZeros(_ groups: [UInt16]) -> Range<Int> {
        var longest = 0..<0
        var start = 0
        for index in groups.indices {
            guard groups[index] == 0 else {
                start = index + 1
                continue
            }
            if index + 1 - start > longest.count { longest = start..<index + 1 }
        }
        return longest
    }

    /// RFC 4291, section 2.2.
    private static func ipv6(_ text: Substring) -> [UInt8]? {
        guard let gap = text.firstRange(of: "::") else {
            return groups(text).flatMap { $0.count == 16 ? $0 : nil }
        }
        let (head, tail) = (text[..<gap.lowerBound], text[gap.upperBound...])
        guard let before = head.isEmpty ? [] : groups(head, mayEndInIPv4: false),
            let after = tail.isEmpty ? [] : groups(tail),
            before.count + after.count <= 14
        else { return nil }
        return before + [UInt8](repeating: 0, count: 16 - before.count - after.count) + after
    }

    private static func groups(_ text: Substring, mayEndInIPv4: Bool = true) -> [UInt8]? {
        var bytes: [UInt8] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if mayEndInIPv4, index == parts.count - 1, part.contains(".") {
                guard let last = ipv4(part) else { return nil }
                bytes += last
            } else {
                guard (1...4).contains(part.count),
                    part.utf8.allSatisfy({ $0.hexDigitValue != nil }),
                    let group = UInt16(part, radix: 16)
                else { return nil }
                bytes += [UInt8(group >> 8), UInt8(truncatingIfNeeded: group)]
            }
        }
        return bytes.count <= 16 ? bytes : nil
    }
}
