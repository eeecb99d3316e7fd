package import ApusCore

/// What is known of each proxy, over all credentials, origins and scopes.
///
/// A proxy is a kind, a host and a port; in a chain it also is the proxies before it, which may be
/// at fault for what happens after them. Its own failures count for every target, those that a
/// target may have caused count for that target alone, and an answer of any kind is a success
/// (`ProxyFailure`). Without clock or lock.
package struct ProxyHealth: Sendable {
    /// The proxies of a route up to one of them, without credentials.
    package struct Path: Hashable, Sendable, CustomStringConvertible {
        fileprivate var hops: [ProxyHop] = []

        package var description: String { hops.map(\.description).joined(separator: " then ") }
    }

    /// A change that is to be reported.
    package enum Change: Sendable, Hashable {
        case failing(proxy: String, target: String?, because: [ProxyFailure])
        case recovered(proxy: String, target: String?)
    }

    /// The most proxies that are remembered; beyond, those without failures are forgotten, else
    /// all.
    package static let maxProxies = 1024

    private let limits: ProxyCondition.Limits
    private var records: [Path: ProxyRecord] = [:]

    package init(_ tuning: EngineTuning.Pool) {
        limits = ProxyCondition.Limits(first: tuning.proxyBackoff, most: tuning.maxProxyBackoff)
    }

    /// How many proxies are failing, and targets through them: 0 is that no dial is held back.
    package private(set) var failing = 0

    // MARK: Dials

    /// Why no dial of the route may begin now; `nil` when one may.
    package func refusal(of route: Route, now: Deadline) -> TransportError? {
        guard failing > 0 else { return nil }
        for (index, path) in Self.paths(of: route).enumerated() {
            guard let bar = records[path]?.bar(to: route.target(after: index), now: now) else {
                continue
            }
            return bar.condition.refusal(
                of: route, by: path.description, to: bar.target, left: bar.left, now: now)
        }
        return nil
    }

    /// A dial is to begin; it probes what it is time to probe.
    ///
    /// - Returns: why it may not; `nil` when it may.
    package mutating func begins(
        _ dial: ConnectionID, _ route: Route, now: Deadline
    ) -> TransportError? {
        guard failing > 0 else { return nil }
        if let error = refusal(of: route, now: now) { return error }
        for (index, path) in Self.paths(of: route).enumerated() {
            records[path]?.begins(dial, to: route.target(after: index))
        }
        return nil
    }

    /// A dial that began has ended.
    ///
    /// - Parameters:
    ///   - began: when it did.
    ///   - outcomes: what the proxies did, as far as it came.
    ///   - error: why it failed; `nil` when it succeeded.
    package mutating func ended(
        _ dial: ConnectionID, _ route: Route, since began: Deadline, _ outcomes: [ProxyOutcome],
        _ error: TransportError?, now: Deadline
    ) -> [Change] {
        let attempt = ProxyAttempt(
            dial: dial, route: route.hashValue, began: began, now: now,
            error: error ?? TransportError(.proxyFailed, phase: .proxy, message: "no tunnel"))
        var changes: [Change] = []
        for (index, path) in Self.paths(of: route).enumerated() {
            let target = route.target(after: index)
            if index < outcomes.count {
                changes += change(path, of: route, through: index, now) { record, limits in
                    record.ended(attempt, outcomes[index], to: target, limits)
                }
            }
            records[path]?.leaves(dial, to: target, now: now)
        }
        return changes
    }

    // MARK: Connections

    /// A connection of the route ended while it carried an exchange.
    package mutating func wasCut(_ route: Route, now: Deadline) -> [Change] {
        guard let path = Self.paths(of: route).last else { return [] }
        return change(path, of: route, through: route.proxies.count - 1, now) { record, limits in
            record.wasCut(route.hashValue, now: now, limits)
        }
    }

    // MARK: The whole

    /// The proxies as users read of them, sorted by text.
    package func entries(now: Deadline) -> [EngineSnapshot.ProxyEntry] {
        records.map { $0.value.entry($0.key.description, now: now) }.sorted { $0.proxy < $1.proxy }
    }

    /// A route through each proxy, without credentials and scope.
    package var routes: [(path: Path, route: Route)] { records.map { ($0.key, $0.value.route) } }

    /// Forgets these proxies.
    package mutating func forget(_ paths: [Path]) {
        for path in paths { failing -= records.removeValue(forKey: path)?.failing ?? 0 }
    }

    /// The paths to each of the route's proxies.
    private static func paths(of route: Route) -> [Path] {
        var path = Path()
        return route.proxies.map {
            path.hops.append(ProxyHop($0))
            return path
        }
    }

    private mutating func change(
        _ path: Path, of route: Route, through index: Int, _ now: Deadline,
        _ body: (inout ProxyRecord, ProxyCondition.Limits) -> [ProxyRecord.Change]
    ) -> [Change] {
        if records[path] == nil { makeRoom(now) }
        var record = records[path] ?? ProxyRecord(route.bare(through: index))
        failing -= record.failing
        let changes = body(&record, limits)
        failing += record.failing
        records[path] = record
        let name = path.description
        return changes.map {
            let target = $0.target?.authority
            guard $0.isFailing else { return .recovered(proxy: name, target: target) }
            return .failing(
                proxy: name, target: target,
                because: record.evidence(against: $0.target, now: now))
        }
    }

    private mutating func makeRoom(_ now: Deadline) {
        guard records.count >= Self.maxProxies else { return }
        records = records.filter { !$0.value.isQuiet(now: now) }
        if records.count >= Self.maxProxies { records = [:] }
        failing = records.values.reduce(0) { $0 + $1.failing }
    }
}

extension Route {
    /// The same origin through the proxies up to one of them, without credentials, scope and
    /// settings.
    fileprivate func bare(through index: Int) -> Route {
        Route(
            origin: origin, proxies: proxies[...index].map(ProxyEndpoint.init(bare:)),
            versions: .automatic, tls: EngineTuning.TLS(), localAddress: nil, localInterface: nil,
            connectTo: nil, isolation: nil, purpose: .exchanges)
    }
}
