public import HTTPTypes

/// One proxy: its protocol, its address and our credentials.
///
/// Every part of it is in the pool's key.
public struct ProxyEndpoint: Sendable, Hashable {
    /// The protocol between the engine and the proxy.
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        /// HTTP: CONNECT for https origins, absolute-form for http origins.
        case http
        /// As `http`, over TLS to the proxy.
        case https
        /// SOCKS version 4 with names resolved by the proxy; no password and no IPv6 addresses.
        case socks4a
        /// SOCKS version 5 with names resolved by the engine.
        case socks5
        /// SOCKS version 5 with names resolved by the proxy.
        case socks5h

        /// Whether the proxy is an HTTP proxy.
        package var speaksHTTP: Bool { self == .http || self == .https }

        var defaultPort: Int {
            switch self {
            case .http: 80
            case .https: 443
            case .socks4a, .socks5, .socks5h: 1080
            }
        }
    }

    /// Options that few proxies need; each is a part of the pool's key.
    public struct Options: Sendable, Hashable {
        /// Fields sent to the proxy with each CONNECT and each forwarded request, and never to the
        /// origin.
        ///
        /// They are never printed. Default: none.
        public var fields: HTTPFields = [:]
        /// The TLS settings for an `https` proxy.
        ///
        /// `nil`, the default, uses the engine's roots, versions, ciphers, groups, strictness, key
        /// log and resumption. The engine's other settings are for origins: identity, server name,
        /// pins, verifier and `insecureSkipVerify` are not used.
        public var tls: EngineTuning.TLS?
        /// How the proxy's challenge (407) is answered.
        ///
        /// Default `atOnce`.
        public var authentication = ProxyAuthentication.atOnce
        /// Whether an `https` proxy may choose HTTP/2 for its tunnels by ALPN (RFC 9113, section
        /// 8.5).
        ///
        /// Default true.
        public var allowsHTTP2 = true

        /// Creates the default options.
        public init() {}
    }

    /// The protocol between the engine and the proxy.
    public let kind: Kind
    /// The proxy's host, normalised like an origin's.
    public var host: String { exactHost.text }
    /// The proxy's port.
    public let port: UInt16
    /// Our credentials for the proxy; `nil` when it needs none.
    public let credentials: ProxyCredentials?
    /// `nil` for the defaults, so that an ordinary proxy is small.
    private let given: GivenOptions?
    private let exactHost: ExactText

    /// Creates a proxy from its parts.
    ///
    /// - Parameter port: 80 for `http`, 443 for `https` and 1080 for SOCKS when it is `nil`.
    /// - Throws: `InvalidProxy` naming the part at fault, never its value.
    public init(
        kind: Kind, host: String, port: Int? = nil, credentials: ProxyCredentials? = nil,
        options: Options = Options()
    ) throws(InvalidProxy) {
        do throws(InvalidRequest) {
            exactHost = ExactText(try Host.normalized(host))
        } catch {
            throw InvalidProxy(reason: error.description)
        }
        let port = port ?? kind.defaultPort
        guard (1...65535).contains(port) else {
            throw InvalidProxy(reason: "port \(port) is not in 1...65535")
        }
        try credentials?.check(for: kind)
        try options.check(for: kind, credentials)
        self.kind = kind
        self.port = UInt16(port)
        self.credentials = credentials
        given = options == Options() ? nil : GivenOptions(options)
    }

    /// The same proxy without credentials and options.
    package init(bare other: ProxyEndpoint) {
        kind = other.kind
        exactHost = other.exactHost
        port = other.port
        credentials = nil
        given = nil
    }

    /// Reads `scheme://[user[:password]@]host[:port][/]`; a path or query is ignored.
    ///
    /// - Throws: `InvalidProxy`, whose message never holds credentials.
    public init(parsing url: String, options: Options = Options()) throws(InvalidProxy) {
        guard let separator = url.firstRange(of: "://") else {
            throw InvalidProxy(reason: "is not a URL: scheme://host is missing")
        }
        guard let kind = Kind(rawValue: url[..<separator.lowerBound].lowercased()) else {
            throw InvalidProxy(reason: "scheme is none of http, https, socks4a, socks5, socks5h")
        }
        let rest = url[separator.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let hostStart = rest.lastIndex(of: "@").map { rest.index(after: $0) } ?? rest.startIndex
        let credentials = try ProxyCredentials(userInformation: rest[..<hostStart].dropLast())
        let host: String
        let port: Int?
        do throws(InvalidRequest) {
            (host, port) = try Host.split(String(rest[hostStart...]))
        } catch {
            throw InvalidProxy(reason: error.description)
        }
        try self.init(
            kind: kind, host: host, port: port, credentials: credentials, options: options)
    }

    /// The options that few proxies need.
    public var options: Options { given?.value ?? Options() }

    /// Whether any option differs from its default.
    package var hasOptions: Bool { given != nil }

    /// `host:port`, with brackets around IPv6.
    package var hostAndPort: String { Host.withPort(host, port) }

    /// The TLS settings for this proxy, in an engine with the given settings.
    package func tls(in engine: EngineTuning.TLS) -> EngineTuning.TLS {
        if let own = given?.value.tls { return own }
        var settings = EngineTuning.TLS()
        settings.roots = engine.roots
        settings.minimumVersion = engine.minimumVersion
        settings.maximumVersion = engine.maximumVersion
        settings.tls12CipherSuites = engine.tls12CipherSuites
        settings.tls13CipherSuites = engine.tls13CipherSuites
        settings.groups = engine.groups
        settings.allowsPartialChain = engine.allowsPartialChain
        settings.isStrict = engine.isStrict
        settings.keyLog = engine.keyLog
        settings.resumption = engine.resumption
        return settings
    }
}

extension ProxyEndpoint: CustomStringConvertible {
    /// Scheme, host and port; there is no other description, so none shows credentials.
    public var description: String { "\(kind.rawValue)://\(hostAndPort)" }
}

/// Options in one reference, so that an endpoint without options is cheap to copy and compare.
private final class GivenOptions: Sendable, Hashable, CustomReflectable {
    let value: ProxyEndpoint.Options

    init(_ value: ProxyEndpoint.Options) {
        self.value = value
    }

    static func == (left: GivenOptions, right: GivenOptions) -> Bool {
        left === right || left.value == right.value
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(value)
    }

    /// A mirror without children: the fields may be secret.
    var customMirror: Mirror { Mirror(self, children: []) }
}

extension ProxyEndpoint.Options: CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// "options", never the fields.
    public var description: String { "options" }
    /// "options", never the fields.
    public var debugDescription: String { description }
    /// A mirror without children, so that `dump` never shows the fields.
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// Refuses options that this kind of proxy cannot use, and fields that the engine sets itself.
    fileprivate func check(
        for kind: ProxyEndpoint.Kind, _ credentials: ProxyCredentials?
    ) throws(InvalidProxy) {
        guard kind.speaksHTTP || (fields.isEmpty && authentication == .atOnce) else {
            throw InvalidProxy(
                reason: "fields and authentication are set for a SOCKS proxy, which has neither")
        }
        guard kind == .https || tls == nil else {
            throw InvalidProxy(reason: "TLS settings are set for a proxy that is not https")
        }
        if let tls {
            do throws(InvalidTuning) {
                try tls.validate()
            } catch {
                throw InvalidProxy(reason: "TLS settings: \(error)")
            }
        }
        for field in fields {
            let name = field.name.canonicalName
            switch name {
            case "host", "content-length", "transfer-encoding", "connection", "upgrade", "te",
                "keep-alive", "trailer":
                throw InvalidProxy(reason: "field \(name) is set by the engine itself")
            case "proxy-authorization" where credentials != nil || authentication != .atOnce:
                throw InvalidProxy(reason: "proxy-authorization is set twice")
            default: break
            }
        }
        guard authentication != .whenAsked || credentials != nil else {
            throw InvalidProxy(reason: "credentials for the answer to a 407 are missing")
        }
        if case .answering = authentication, credentials != nil {
            throw InvalidProxy(reason: "both credentials and a callback are set")
        }
    }
}
