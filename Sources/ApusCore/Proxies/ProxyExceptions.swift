/// The hosts that are reached without a proxy: a `NO_PROXY` list.
///
/// Entries are separated by commas or blanks; letter case and a trailing dot do not matter:
/// - `*` is every host;
/// - `example.com` is that host and all hosts below it;
/// - `.example.com` and `*.example.com` are only the hosts below it;
/// - `192.0.2.1`, `2001:db8::1` or `[2001:db8::1]` is that address, without regard to an origin's
///   zone;
/// - `192.0.2.0/24`, `2001:db8::/32` is a range of addresses;
/// - each entry except `*` and ranges may end in `:port`; an IPv6 address then needs brackets.
///
/// An address never matches a name, and a name never matches an address: names are not resolved for
/// this. A number means the IPv4 address that it spells, as in `Origin.host`. Any other entry
/// matches nothing.
public struct ProxyExceptions: Sendable, Hashable {
    private enum Entry: Sendable, Hashable {
        case everything
        case name(ExactText, isBelowOnly: Bool, port: UInt16?)
        case addresses(AddressLiteral, prefix: Int, port: UInt16?)
    }

    private let entries: [Entry]

    /// No exceptions.
    public init() {
        entries = []
    }

    /// Reads a list; an empty list has no exceptions.
    ///
    /// - Throws: `InvalidProxy` when an entry is not ASCII: it could match no host, and requests
    ///   would go through the proxy unnoticed.
    public init(parsing list: String) throws(InvalidProxy) {
        guard list.utf8.allSatisfy({ $0 < 0x80 }) else {
            throw InvalidProxy(
                reason: "an exception contains a non-ASCII character; write the name as xn--...")
        }
        entries = list.split { $0 == "," || $0.isWhitespace }.compactMap(Self.entry)
    }

    /// Whether this origin is reached without a proxy.
    public func covers(_ origin: Origin) -> Bool {
        guard !entries.isEmpty else { return false }
        let address = AddressLiteral(origin.host[...])
        let host = Host.withoutDot(origin.host)
        return entries.contains { entry in
            switch entry {
            case .everything: return true
            case .addresses(let base, let length, let port):
                guard port == nil || port == origin.port else { return false }
                return address?.hasPrefix(of: base, length: length) ?? false
            case .name(let name, let isBelowOnly, let port):
                guard address == nil, !origin.isIPv6, port == nil || port == origin.port else {
                    return false
                }
                if ExactText(host) == name { return !isBelowOnly }
                return host.hasSuffix(name.text)
                    && host.dropLast(name.text.count).hasSuffix(".")
            }
        }
    }

    private static func entry(_ text: Substring) -> Entry? {
        if text == "*" { return .everything }
        if let slash = text.firstIndex(of: "/") {
            guard let base = AddressLiteral(unbracketed(text[..<slash])),
                let length = number(text[slash...].dropFirst()),
                (0...base.bytes.count * 8).contains(length)
            else { return nil }
            return .addresses(base, prefix: length, port: nil)
        }
        // An IPv6 address without brackets has no port: its colons belong to the address.
        if let address = AddressLiteral(unbracketed(text)) {
            return .addresses(address, prefix: address.bytes.count * 8, port: nil)
        }
        var host = text
        var port: UInt16?
        if let colon = text.lastIndex(of: ":") {
            guard let number = number(text[colon...].dropFirst()), (1...65535).contains(number)
            else { return nil }
            (host, port) = (text[..<colon], UInt16(number))
        }
        if let address = AddressLiteral(unbracketed(host)) {
            return .addresses(address, prefix: address.bytes.count * 8, port: port)
        }
        if host.hasPrefix("*.") { host = host.dropFirst() }
        let isBelowOnly = host.hasPrefix(".")
        if isBelowOnly { host = host.dropFirst() }
        guard let name = try? Host.normalized(String(host)), !name.contains(":") else {
            return nil
        }
        if let address = AddressLiteral(name[...]) {
            guard !isBelowOnly else { return nil }
            return .addresses(address, prefix: address.bytes.count * 8, port: port)
        }
        return .name(ExactText(Host.withoutDot(name)), isBelowOnly: isBelowOnly, port: port)
    }

    /// Decimal digits only: Swift's own parsing accepts a sign.
    private static func number(_ text: Substring) -> Int? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
    }

    private static func unbracketed(_ text: Substring) -> Substring {
        text.hasPrefix("[") && text.hasSuffix("]") ? text.dropFirst().dropLast() : text
    }
}
