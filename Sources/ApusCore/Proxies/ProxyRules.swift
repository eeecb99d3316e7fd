/// Which proxy serves which origin: one for `http`, one for `https`, and hosts without any.
///
/// A value that says the same for the same origin for ever; the environment is read by whoever
/// hands it over.
public struct ProxyRules: Sendable, Hashable, CustomStringConvertible {
    private let parts: Parts

    /// - Parameters:
    ///   - http: the way to `http` origins.
    ///   - https: the way to `https` origins.
    ///   - exceptions: origins that are reached without a proxy, whatever the other two say.
    public init(
        http: ProxySetting = .direct, https: ProxySetting = .direct,
        except exceptions: ProxyExceptions = ProxyExceptions()
    ) {
        parts = Parts(http: http, https: https, exceptions: exceptions)
    }

    /// The way to an origin: `direct` unless a rule names a proxy.
    public func setting(for origin: Origin) -> ProxySetting {
        if parts.exceptions.covers(origin) { return .direct }
        let setting = origin.scheme == .https ? parts.https : parts.http
        return setting == .inherit ? .direct : setting
    }

    /// Says nothing of hosts and proxies, which would be long.
    public var description: String { "rules" }

    public static func == (left: ProxyRules, right: ProxyRules) -> Bool {
        left.parts === right.parts || left.parts.isEqual(to: right.parts)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(parts.http)
        hasher.combine(parts.https)
        hasher.combine(parts.exceptions)
    }

    /// One reference, so that requests copy and compare the rules for nothing.
    private final class Parts: Sendable {
        let http: ProxySetting
        let https: ProxySetting
        let exceptions: ProxyExceptions

        init(http: ProxySetting, https: ProxySetting, exceptions: ProxyExceptions) {
            self.http = http
            self.https = https
            self.exceptions = exceptions
        }

        func isEqual(to other: Parts) -> Bool {
            http == other.http && https == other.https && exceptions == other.exceptions
        }
    }
}
