public import HTTPTypes

/// One proxy: how it is spoken to, where it is, and who we are to it.
///
/// Everything in it is a part of the pool's key.
public struct ProxyEndpoint: Sendable, Hashable {
    /// The protocol spoken to the proxy.
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        /// CONNECT for https origins, absolute-form for http origins.
        case http
        /// As `http`, through TLS to the proxy.
        case https
        /// SOCKS version 4 with names resolved by the proxy; no password and no IPv6 addresses.
        case socks4a
        /// SOCKS version 5 with names resolved here.
        case socks5
        /// SOCKS version 5 with names resolved by the proxy.
        case socks5h

        /// Whether requests and CONNECT are what it understands.
        package var speaksHTTP: Bool { self == .http || self == .https }

        var defaultPort: Int {
            switch self {
            case .http: 80
            case .https: 443
            case .socks4a, .socks5, .socks5h: 1080
            }
        }
    }

    /// What few proxies need; each is a part of the pool's key.
    public struct Options: Sendable, Hashable {
        /// Sent to the proxy with each CONNECT and each forwarded request, and never to the origin.
        ///
        /// Never printed. Default none.
        public var fields: HTTPFields = [:]
        /// What TLS to an `https` proxy trusts, presents and speaks.
        ///
        /// `nil`, the default: the engine's roots, what it is willing to speak, whether it resumes
        /// sessions, and nothing else of its settings, which are about origins: no identity, no
        /// server name, no pin, no verifier, no `insecureSkipVerify`.
        public var tls: EngineTuning.TLS?
        /// How a 407 is answered.
        ///
        /// Default `atOnce`.
        public var authentication = ProxyAuthentication.atOnce
        /// Whether an `https` proxy may choose HTTP/2 for its tunnels by ALPN (RFC 9113, section
        /// 8.5).
        ///
        /// Default true.
        public var allowsHTTP2 = true

        public init() {}
    }

    public let kind: Kind
    /// Normalised like an origin's host.
    public var host: String { exactHost.text }
    public let port: UInt16
    /// Who we are to the proxy; `nil` when it does not ask.
    public let credentials: ProxyCredentials?
    /// `nil` for the defaults, so that an ordinary proxy stays small.
    private let given: GivenOptions?
    private let exactHost: ExactText

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

    /// Reads `scheme://[user[:password]@]host[:port][/]`; a path or query is ignored.
    ///
    /// - Throws: `InvalidProxy`, whose message never holds credentials.
    public init(parsing url: String, options: Options = Options()) throws(InvalidProxy) {
        guard let separator = url.firstRange(of: "://") else {
            throw InvalidProxy(reason: "is no URL: scheme://host is missing")
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

    /// What few proxies need.
    public var options: Options { given?.value ?? Options() }

    /// Whether the proxy's fields, or how it is answered, are other than usual.
    package var hasOptions: Bool { given != nil }

    /// `host:port`, with brackets around IPv6.
    package var hostAndPort: String {
        host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// What TLS to this proxy goes by, in an engine with these settings.
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
    /// Scheme, host and port; there is no other description, so credentials cannot leak into one.
    public var description: String { "\(kind.rawValue)://\(hostAndPort)" }
}

/// Options in one reference, so that an endpoint without any is small to copy and compare.
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

    /// Nothing: its fields may be secret.
    var customMirror: Mirror { Mirror(self, children: []) }
}

extension ProxyEndpoint.Options: CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    public var description: String { "options" }
    public var debugDescription: String { description }
    /// Nothing, so that `dump` of whatever holds the options does not show fields.
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// Refuses what this kind of proxy cannot be told, and fields that belong to the engine.
    fileprivate func check(
        for kind: ProxyEndpoint.Kind, _ credentials: ProxyCredentials?
    ) throws(InvalidProxy) {
        guard kind.speaksHTTP || (fields.isEmpty && authentication == .atOnce) else {
            throw InvalidProxy(reason: "a SOCKS proxy takes no fields and asks by no 407")
        }
        guard kind == .https || tls == nil else {
            throw InvalidProxy(reason: "TLS settings are for https proxies")
        }
        if let tls {
            do throws(InvalidTuning) {
                try tls.validate()
            } catch {
                throw InvalidProxy(reason: "its TLS settings: \(error)")
            }
        }
        for field in fields {
            let name = field.name.canonicalName
            switch name {
            case "host", "content-length", "transfer-encoding", "connection", "upgrade", "te",
                "keep-alive", "trailer":
                throw InvalidProxy(reason: "the field \(name) is the engine's own")
            case "proxy-authorization" where credentials != nil || authentication != .atOnce:
                throw InvalidProxy(reason: "proxy-authorization is given twice")
            default: break
            }
        }
        guard authentication != .whenAsked || credentials != nil else {
            throw InvalidProxy(reason: "there are no credentials to answer a 407 with")
        }
        if case .answering = authentication, credentials != nil {
            throw InvalidProxy(reason: "both credentials and a callback answer for it")
        }
    }
}
