/// Hosts that are numbers: IPv4 addresses in every spelling that C and browsers accept.
///
/// `getaddrinfo` reads `127.1`, `0x7f.1` and `2130706433` as 127.0.0.1. They are replaced by that
/// address, so that rules and logs see what is connected to, as in the URL standard of WHATWG
/// (sections 3.5 and 3.6, "ends in a number" and the IPv4 parser).
enum HostNumber {
    /// The address in dotted decimal form; `nil` when the host is a name.
    ///
    /// - Parameter name: a host in lower case, without empty labels.
    /// - Throws: `InvalidRequest` when the last label is a number but the host is not an address.
    static func address(of name: String) throws(InvalidRequest) -> String? {
        let labels = name.utf8.split(separator: UInt8(ascii: "."))
        guard let last = labels.last, isNumber(last) else { return nil }
        let numbers = labels.compactMap(value)
        let refusal = InvalidRequest(
            field: "host", reason: "ends in a number but is not an IPv4 address")
        guard labels.count <= 4, numbers.count == labels.count, let end = numbers.last,
            numbers.dropLast().allSatisfy({ $0 <= 255 }),
            end < 1 << UInt64(8 * (5 - numbers.count))
        else { throw refusal }
        var address = end
        for (index, number) in numbers.dropLast().enumerated() {
            address += number << UInt64(8 * (3 - index))
        }
        return [24, 16, 8, 0].map { "\(address >> $0 & 255)" }.joined(separator: ".")
    }

    /// Whether the text up to `end` is four decimal numbers without leading zeros.
    static func isPlainAddress(_ bytes: borrowing Span<UInt8>, upTo end: Int) -> Bool {
        var (groups, value, digits) = (1, 0, 0)
        for index in 0..<end {
            let byte = bytes[index]
            if byte == UInt8(ascii: ".") {
                guard digits > 0 else { return false }
                (groups, value, digits) = (groups + 1, 0, 0)
            } else {
                // A leading zero makes a number octal.
                guard (0x30...0x39).contains(byte), digits == 0 || value > 0 else { return false }
                value = value * 10 + Int(byte - 0x30)
                digits += 1
                guard value <= 255 else { return false }
            }
        }
        return groups == 4 && digits > 0
    }

    private static func isNumber(_ label: Substring.UTF8View) -> Bool {
        label.allSatisfy { (0x30...0x39).contains($0) }
            || (isHexadecimal(label) && value(of: label) != nil)
    }

    private static func isHexadecimal(_ label: Substring.UTF8View) -> Bool {
        label.starts(with: [UInt8(ascii: "0"), UInt8(ascii: "x")])
    }

    /// A number in C's spelling: octal after a leading `0`, hexadecimal after `0x`, else decimal.
    ///
    /// A number too large for an address is clamped to a value that is still too large.
    private static func value(of label: Substring.UTF8View) -> UInt64? {
        var digits = label
        var radix: UInt64 = 10
        if isHexadecimal(label) {
            digits = label.dropFirst(2)
            radix = 16
        } else if label.first == UInt8(ascii: "0"), label.count > 1 {
            digits = label.dropFirst()
            radix = 8
        }
        var value: UInt64 = 0
        for byte in digits {
            guard let digit = byte.hexDigitValue, UInt64(digit) < radix else { return nil }
            value = min(value * radix + UInt64(digit), 1 << 33)
        }
        return value
    }
}
