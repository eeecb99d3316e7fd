/// Which proxy each origin uses: one for `http`, one for `https`, and hosts without a proxy.
///
/// The answer for an origin never changes. No rule reads the environment.
public struct ProxyRules: Sendable, Hashable, CustomStringConvertible {
    private let parts: Parts

    /// Creates rules.
    ///
    /// - Parameters:
    ///   - http: the proxy for `http` origins; `direct` by default.
    ///   - https: the proxy for `https` origins; `direct` by default.
    ///   - exceptions: hosts that are reached without a proxy; none by default.
    public init(
        http: ProxySetting = .direct, https: ProxySetting = .direct,
        except exceptions: ProxyExceptions = ProxyExceptions()
    ) {
        parts = Parts(http: http, https: https, exceptions: exceptions)
    }

    /// The setting for an origin: `direct` unless a rule names a proxy.
    public func setting(for origin: Origin) -> ProxySetting {
        if parts.exceptions.covers(origin) { return .direct }
        let setting = origin.scheme == .https ? parts.https : parts.http
        return setting == .inherit ? .direct : setting
    }

    /// "rules"; hosts and proxies would be too long.
    public var description: String { "rules" }

    /// Whether two sets of rules have equal parts.
    public static func == (left: ProxyRules, right: ProxyRules) -> Bool {
        left.parts === right.parts || left.parts.isEqual(to: right.parts)
    }

    /// Hashes the parts.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(parts.http)
        hasher.combine(parts.https)
        hasher.combine(parts.exceptions)
    }

    /// The parts in one reference, so that copying and comparing rules is cheap.
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
