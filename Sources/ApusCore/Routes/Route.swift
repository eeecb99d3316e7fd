/// An origin and how to get there: the pool's key.
///
/// Two requests share a connection only when every part is equal, texts byte by byte. The parts are
/// in one reference with their hash worked out once, since each request looks its route up.
public struct Route: Sendable, Hashable {
    private let parts: Parts

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

    public var origin: Origin { parts.origin }
    /// The proxies with their credentials, the nearest first; none when the way is direct.
    public var proxies: [ProxyEndpoint] { parts.proxies }
    public var versions: HTTPVersionPolicy { parts.versions }
    /// What TLS trusts and presents; a part of the identity, also for http origins behind an https
    /// proxy.
    public var tls: EngineTuning.TLS { parts.tls }
    /// The literal address that connections start from; `nil` lets the system choose.
    public var localAddress: String? { parts.localAddress?.text }
    /// The interface that connections leave by; `nil` lets the system choose.
    public var localInterface: String? { parts.localInterface?.text }
    /// Where to connect instead of the origin's own host and port: behind the proxies, if any.
    public var connectTo: ConnectTarget? { parts.connectTo }
    public var isolation: IsolationScope? { parts.isolation }
    /// Whether the origin's host is an address rather than a name.
    package var hasLiteral: Bool { parts.hasLiteral }
    /// What the connection is for; what is made for one is not given to another.
    public var purpose: Purpose { parts.purpose }
    /// Whether an http proxy is asked for a tunnel even to an http origin.
    public var isTunnelled: Bool { purpose != .exchanges }

    /// What a connection is for.
    public enum Purpose: Sendable, Hashable {
        /// Requests and responses.
        case exchanges
        /// A request that leaves HTTP, which no proxy on the way may read.
        case upgrade
        /// Bytes without meaning: HTTP is not spoken on it, nor TLS.
        case rawBytes
    }

    public static func == (left: Route, right: Route) -> Bool {
        left.parts === right.parts
            || (left.parts.hash == right.parts.hash && left.parts.isEqual(to: right.parts))
    }

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
            // The TLS identity is left out of the hash: it is long and rarely tells routes apart.
            // Equality compares it.
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
    /// The origin, the proxies without credentials, and the scope's digest: fit for logs.
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
    /// Whether somebody's certificate goes unverified on this way: the origin's, or that of an
    /// https proxy.
    package var skipsVerification: Bool {
        (tls.insecureSkipVerify && origin.scheme == .https)
            || proxies.contains { $0.kind == .https && $0.tls(in: tls).insecureSkipVerify }
    }
}
