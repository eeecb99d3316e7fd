/// An origin and how it is reached: the pool's key.
///
/// Two requests share a connection only when every part is equal, texts byte by byte. The parts are
/// in one reference with a precomputed hash, since each request looks its route up.
public struct Route: Sendable, Hashable {
    private let parts: Parts

    /// Creates a route from its parts.
    public init(
        origin: Origin, proxies: [ProxyEndpoint] = [], versions: HTTPVersionPolicy = .automatic,
        tls: EngineTuning.TLS = .init(), localAddress: String? = nil,
        localInterface: String? = nil, connectTo: ConnectTarget? = nil,
        isolation: IsolationScope? = nil, purpose: Purpose = .exchanges
    ) {
        parts = Parts(
            origin: origin, proxies: proxies, versions: versions, tls: tls,
            localAddress: localAddress, localInterface: localInterface, connectTo: connectTo,
            isolation: isolation, purpose: purpose)
    }

    /// The origin that requests are for.
    public var origin: Origin { parts.origin }
    /// The proxies with their credentials, the nearest first; none for a direct connection.
    public var proxies: [ProxyEndpoint] { parts.proxies }
    /// The HTTP versions that may be used.
    public var versions: HTTPVersionPolicy { parts.versions }
    /// The TLS settings; a part of the key for http origins too, since an https proxy may be on the
    /// way.
    public var tls: EngineTuning.TLS { parts.tls }
    /// The literal address that connections start from; `nil` lets the system choose.
    public var localAddress: String? { parts.localAddress?.text }
    /// The interface that connections leave by; `nil` lets the system choose.
    public var localInterface: String? { parts.localInterface?.text }
    /// Where to connect instead of the origin's host and port: from the last proxy, if there is
    /// one.
    public var connectTo: ConnectTarget? { parts.connectTo }
    /// The scope that shares connections; `nil` for requests without one.
    public var isolation: IsolationScope? { parts.isolation }
    /// Whether the origin's host is an address rather than a name.
    package var hasLiteral: Bool { parts.hasLiteral }
    /// What the connection is for; a connection for one purpose is never used for another.
    public var purpose: Purpose { parts.purpose }
    /// Whether an http proxy tunnels even to an http origin.
    public var isTunnelled: Bool { purpose != .exchanges }

    /// What a connection is for.
    public enum Purpose: Sendable, Hashable {
        /// Requests and responses.
        case exchanges
        /// A request that switches protocols, which no proxy may read.
        case upgrade
        /// Raw bytes, without HTTP and without TLS to the origin.
        case rawBytes
    }

    /// Whether every part is equal.
    public static func == (left: Route, right: Route) -> Bool {
        left.parts === right.parts
            || (left.parts.hash == right.parts.hash && left.parts.isEqual(to: right.parts))
    }

    /// Hashes the precomputed hash.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(parts.hash)
    }

    private final class Parts: Sendable {
        let origin: Origin
        let proxies: [ProxyEndpoint]
        let versions: HTTPVersionPolicy
        let tls: EngineTuning.TLS
        let localAddress: ExactText?
        let localInterface: ExactText?
        let connectTo: ConnectTarget?
        let isolation: IsolationScope?
        let purpose: Purpose
        let hash: Int
        let hasLiteral: Bool

        init(
            origin: Origin, proxies: [ProxyEndpoint], versions: HTTPVersionPolicy,
            tls: EngineTuning.TLS,
            localAddress: String?, localInterface: String?, connectTo: ConnectTarget?,
            isolation: IsolationScope?, purpose: Purpose
        ) {
            self.origin = origin
            self.proxies = proxies
            self.versions = versions
            self.tls = tls
            self.localAddress = localAddress.map { ExactText($0) }
            self.localInterface = localInterface.map { ExactText($0) }
            hasLiteral = AddressLiteral(origin.host[...]) != nil
            self.connectTo = connectTo
            self.isolation = isolation
            self.purpose = purpose
            // The TLS settings are left out of the hash: they are long and rarely differ between
            // routes. Equality compares them.
            var hasher = Hasher()
            hasher.combine(origin)
            hasher.combine(proxies)
            hasher.combine(versions)
            hasher.combine(self.localAddress)
            hasher.combine(self.localInterface)
            hasher.combine(connectTo)
            hasher.combine(isolation)
            hasher.combine(purpose)
            hash = hasher.finalize()
        }

        func isEqual(to other: Parts) -> Bool {
            origin == other.origin && proxies == other.proxies && versions == other.versions
                && localAddress == other.localAddress && localInterface == other.localInterface
                && connectTo == other.connectTo
                && isolation == other.isolation && purpose == other.purpose
                && tls == other.tls
        }
    }
}

extension Route: CustomStringConvertible {
    /// The origin, the proxies without credentials, and the scope's digest, for logs.
    public var description: String {
        var text = purpose == .rawBytes ? "tcp://\(origin.hostAndPort)" : origin.description
        for (index, proxy) in proxies.enumerated() {
            text += index == 0 ? " via \(proxy)" : " then \(proxy)"
        }
        if let connectTo { text += " at \(connectTo)" }
        if let isolation { text += " in \(isolation)" }
        return text
    }
}

extension Route {
    /// Whether a certificate is not verified on this route: the origin's, or that of an https
    /// proxy.
    package var skipsVerification: Bool {
        (tls.insecureSkipVerify && origin.scheme == .https)
            || proxies.contains { $0.kind == .https && $0.tls(in: tls).insecureSkipVerify }
    }
}
