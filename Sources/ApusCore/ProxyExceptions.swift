/// The hosts that are reached without a proxy: a `NO_PROXY` list.
///
/// Entries are divided by commas or blanks, in any case, with or without a trailing dot:
/// - `*` is every host;
/// - `example.com` is that host and all below it, on the boundary of a label;
/// - `.example.com` and `*.example.com` are those below it alone;
/// - `192.0.2.1`, `2001:db8::1` or `[2001:db8::1]` is that address; an origin's zone is left out;
/// - `192.0.2.0/24`, `2001:db8::/32` is a range of addresses;
/// - each but `*` and a range may end in `:port`, an IPv6 address then in brackets.
///
/// An address never matches a name, nor a name an address: names are not resolved for this. What
/// is none of these matches nothing.
public struct ProxyExceptions: Sendable, Hashable {
    private enum Entry: Sendable, Hashable {
        case everything
        case name(String, isBelowOnly: Bool, port: UInt16?)
        case addresses(AddressLiteral, prefix: Int, port: UInt16?)
    }

    private let entries: [Entry]

    /// Reads a list; an empty one has no exceptions.
    public init(parsing list: String) {
        entries = list.split { $0 == "," || $0.isWhitespace }.compactMap(Self.entry)
    }

    /// Whether this origin is reached without a proxy.
    public func covers(_ origin: Origin) -> Bool {
        guard !entries.isEmpty else { return false }
        let address = AddressLiteral(origin.host[...])
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
                if origin.host == name { return !isBelowOnly }
                return origin.host.hasSuffix(name)
                    && origin.host.dropLast(name.count).hasSuffix(".")
            }
        }
    }

    private static func entry(_ text: Substring) -> Entry? {
        if text == "*" { return .everything }
        if let slash = text.firstIndex(of: "/") {
            guard let base = AddressLiteral(unbracketed(text[..<slash])),
                let length = Int(text[slash...].dropFirst()),
                (0...base.bytes.count * 8).contains(length)
            else { return nil }
            return .addresses(base, prefix: length, port: nil)
        }
        // An IPv6 address without brackets has no port: its colons are its own.
        if let address = AddressLiteral(unbracketed(text)) {
            return .addresses(address, prefix: address.bytes.count * 8, port: nil)
        }
        var host = text
        var port: UInt16?
        if let colon = text.lastIndex(of: ":") {
            guard let number = UInt16(text[colon...].dropFirst()), number > 0 else { return nil }
            (host, port) = (text[..<colon], number)
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
        return .name(name, isBelowOnly: isBelowOnly, port: port)
    }

    private static func unbracketed(_ text: Substring) -> Substring {
        text.hasPrefix("[") && text.hasSuffix("]") ? text.dropFirst().dropLast() : text
    }
}
