/// Who answers a request: scheme, host and port (RFC 9110, section 4.3.1).
public struct Origin: Sendable, Hashable {
    public let scheme: Scheme
    /// A name in lower case, or an address in its canonical spelling; IPv6 without brackets.
    ///
    /// A trailing dot stays: it makes the name absolute, so that a resolver puts no domain of a
    /// search list after it. SNI and certificates have none (RFC 6066, section 3). A host whose
    /// last label is a number is the IPv4 address of that spelling, as in WHATWG's URL standard.
    public var host: String { exactHost.text }
    public let port: UInt16
    private let exactHost: ExactText

    /// Checks and normalises the parts of an origin.
    ///
    /// - Throws: `InvalidRequest` naming the host or the port and what is wrong with it.
    public init(scheme: Scheme, host: String, port: Int? = nil) throws(InvalidRequest) {
        let port = port ?? Int(scheme.defaultPort)
        guard (1...65535).contains(port) else {
            throw InvalidRequest(field: "port", reason: "\(port) is not in 1...65535")
        }
        self.scheme = scheme
        exactHost = ExactText(try Host.normalized(host))
        self.port = UInt16(port)
    }

    /// Reads `host`, `host:port` or `[v6]:port`, as `Host` and `:authority` carry it (RFC 3986,
    /// section 3.2).
    ///
    /// - Throws: `InvalidRequest` when there is user information, no host, or a bad port.
    public init(scheme: Scheme, authority: String) throws(InvalidRequest) {
        if let (host, port) = Host.plain(authority) {
            self.init(scheme, host, port ?? scheme.defaultPort)
        } else {
            let (host, port) = try Host.split(authority)
            try self.init(scheme: scheme, host: host, port: port)
        }
    }

    private init(_ scheme: Scheme, _ host: String, _ port: UInt16) {
        self.scheme = scheme
        exactHost = ExactText(host)
        self.port = port
    }

    /// Whether the host is an IPv6 literal, which needs brackets in text.
    package var isIPv6: Bool { host.utf8.contains(UInt8(ascii: ":")) }

    /// `host:port`, with brackets around IPv6, without its zone and always with the port, as
    /// CONNECT wants it.
    public var hostAndPort: String { isIPv6 ? "[\(address)]:\(port)" : "\(host):\(port)" }

    /// An IPv6 literal without its zone, which means something on this machine only.
    private var address: Substring { host.prefix { $0 != "%" } }

    /// What a `Host` field or `:authority` says: the port only when it is not the scheme's own, and
    /// no zone (RFC 6874, section 4).
    public var authority: String {
        guard port == scheme.defaultPort else { return hostAndPort }
        return isIPv6 ? "[\(address)]" : host
    }

    /// Whether an authority of this origin has its address as it goes out.
    package func isSpelled(in authority: String) -> Bool {
        let host = isIPv6 ? "[\(host)]" : host
        let rest = authority.utf8.dropFirst(host.utf8.count)
        return authority.utf8.starts(with: host.utf8)
            && (rest.isEmpty || rest.first == UInt8(ascii: ":")) && !host.utf8.contains(0x25)
    }

    /// As `authority`, with the zone of an IPv6 literal as a URL writes it (RFC 6874, section 2).
    package var authorityWithZone: String {
        guard isIPv6, let zone = host.firstIndex(of: "%") else { return authority }
        let literal = "[\(address)%25\(host[zone...].dropFirst())]"
        return port == scheme.defaultPort ? literal : "\(literal):\(port)"
    }
}

extension Origin: CustomStringConvertible {
    public var description: String { "\(scheme.rawValue)://\(authorityWithZone)" }
}
