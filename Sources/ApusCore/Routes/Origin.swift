/// The server of a request: scheme, host and port (RFC 9110, section 4.3.1).
public struct Origin: Sendable, Hashable {
    /// The scheme: `http` or `https`.
    public let scheme: Scheme
    /// The host: a name in lower case, or an address in canonical spelling, IPv6 without brackets.
    ///
    /// A trailing dot is kept: it makes the name absolute, so that a resolver appends no search
    /// domain. SNI and certificates have none (RFC 6066, section 3). A host whose last label is a
    /// number is replaced by the IPv4 address that it spells, as in WHATWG's URL standard.
    public var host: String { exactHost.text }
    /// The port, from 1 to 65535.
    public let port: UInt16
    private let exactHost: ExactText

    /// Creates an origin from its parts, which are checked and normalised.
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

    /// Parses `host`, `host:port` or `[v6]:port`, as in `Host` and `:authority` (RFC 3986, section
    /// 3.2).
    ///
    /// - Throws: `InvalidRequest` when there is user information, no host, or an invalid port.
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

    /// `host:port` for CONNECT: always with the port, with brackets around IPv6, without its zone.
    public var hostAndPort: String { isIPv6 ? "[\(address)]:\(port)" : "\(host):\(port)" }

    /// An IPv6 literal without its zone, which has a meaning on this machine only.
    private var address: Substring { host.prefix { $0 != "%" } }

    /// The value of `Host` and `:authority`: without the scheme's default port and without a zone
    /// (RFC 6874, section 4).
    public var authority: String {
        guard port == scheme.defaultPort else { return hostAndPort }
        return isIPv6 ? "[\(address)]" : host
    }

    /// Whether an authority of this origin spells the host as it is sent.
    package func isSpelled(in authority: String) -> Bool {
        // An IPv4 address or a name; an IPv6 address never begins an authority without a bracket.
        if authority.hasPrefix(host) { return ends(authority, after: host.utf8.count) }
        guard isIPv6, !host.utf8.contains(UInt8(ascii: "%")) else { return false }
        return authority.hasPrefix("[\(host)]") && ends(authority, after: host.utf8.count + 2)
    }

    /// Whether nothing follows so many bytes but a port.
    private func ends(_ authority: String, after count: Int) -> Bool {
        let rest = authority.utf8.dropFirst(count)
        return rest.isEmpty || rest.first == UInt8(ascii: ":")
    }

    /// As `authority`, but with the zone of an IPv6 literal, as in a URL (RFC 6874, section 2).
    package var authorityWithZone: String {
        guard isIPv6, let zone = host.firstIndex(of: "%") else { return authority }
        let literal = "[\(address)%25\(host[zone...].dropFirst())]"
        return port == scheme.defaultPort ? literal : "\(literal):\(port)"
    }
}

extension Origin: CustomStringConvertible {
    /// The origin as a URL, as in "https://example.com:8443".
    public var description: String { "\(scheme.rawValue)://\(authorityWithZone)" }
}
