import ApusCore

/// A dial that has ended, as the proxies that it came to remember it.
struct ProxyAttempt: Sendable {
    let dial: ConnectionID
    /// The hash of its route, which holds no credentials.
    let route: Int
    let began: Deadline
    let now: Deadline
    /// Why it failed.
    let error: TransportError
}

/// What is known of one proxy.
struct ProxyRecord: Sendable {
    /// Something that begins to fail, or works again: the proxy, or one target through it.
    struct Change: Sendable {
        let target: TunnelTarget?
        let isFailing: Bool
    }

    /// The most targets that are remembered; beyond, those without failures are forgotten, else
    /// all.
    static let maxTargets = 64

    /// A route through the proxy without credentials and scope, for those who forget.
    let route: Route
    private var dials = 0
    private var opened = 0
    private var failures: [ProxyFailure: Int] = [:]
    private var handshake: Duration?
    /// Whatever the target.
    private var proxy = ProxyCondition()
    private var targets: [TunnelTarget: ProxyCondition] = [:]

    init(_ route: Route) {
        self.route = route
    }

    /// How much of it is failing.
    var failing: Int {
        (proxy.isFailing ? 1 : 0) + targets.values.count(where: \.isFailing)
    }

    func isQuiet(now: Deadline) -> Bool {
        proxy.isQuiet(now: now) && targets.values.allSatisfy { $0.isQuiet(now: now) }
    }

    /// What keeps a dial to this target from beginning: the proxy, or that target through it.
    func bar(
        to target: TunnelTarget, now: Deadline
    ) -> (condition: ProxyCondition, target: TunnelTarget?, left: Duration)? {
        if let left = proxy.bar(now: now) { return (proxy, nil, left) }
        guard let condition = targets[target], let left = condition.bar(now: now) else {
            return nil
        }
        return (condition, target, left)
    }

    /// A dial to this target begins.
    mutating func begins(_ dial: ConnectionID, to target: TunnelTarget) {
        proxy.begins(dial)
        targets[target]?.begins(dial)
    }

    /// A dial that began has ended without having come to this proxy, or after `ended`.
    mutating func leaves(_ dial: ConnectionID, to target: TunnelTarget, now: Deadline) {
        proxy.ended(dial, now: now)
        targets[target]?.ended(dial, now: now)
    }

    /// A dial has come to this proxy, and this is what it did.
    mutating func ended(
        _ attempt: ProxyAttempt, _ outcome: ProxyOutcome, to target: TunnelTarget,
        _ limits: ProxyCondition.Limits
    ) -> [Change] {
        dials += 1
        switch outcome {
        case .opened(let time):
            opened += 1
            handshake = handshake.map { $0 + (time - $0) / 8 } ?? time
            return succeeded(nil, attempt.now) + succeeded(target, attempt.now)
        case .forwards:
            opened += 1
            return succeeded(nil, attempt.now)
        case .failed(let kind):
            failures[kind, default: 0] += 1
            switch kind.scope {
            case .proxy:
                guard proxy.failed(kind, attempt, limits) else { return [] }
                return [Change(target: nil, isFailing: true)]
            case .target:
                let changes = succeeded(nil, attempt.now)
                makeRoom(for: target, attempt.now)
                guard
                    targets[target, default: ProxyCondition()]
                        .failed(kind, attempt, limits.forTarget)
                else { return changes }
                return changes + [Change(target: target, isFailing: true)]
            case .answer: return succeeded(nil, attempt.now) + succeeded(target, attempt.now)
            case .evidence: return []
            }
        }
    }

    /// A connection through this proxy ended while it carried an exchange.
    mutating func wasCut(
        _ route: Int, now: Deadline, _ limits: ProxyCondition.Limits
    ) -> [Change] {
        failures[.cut, default: 0] += 1
        let isFailing = proxy.wasCut(route: route, now: now, limits)
        return isFailing ? [Change(target: nil, isFailing: true)] : []
    }

    /// What counts against the proxy, or against a target through it.
    func evidence(against target: TunnelTarget?, now: Deadline) -> [ProxyFailure] {
        (target.map { targets[$0] } ?? proxy)?.evidence(now: now) ?? []
    }

    /// The proxy as users read of it.
    func entry(_ name: String, now: Deadline) -> EngineSnapshot.ProxyEntry {
        var entry = EngineSnapshot.ProxyEntry(proxy: name)
        entry.state =
            proxy.isFailing ? .failing : isQuiet(now: now) ? .healthy : .doubtful
        entry.dials = dials
        entry.opened = opened
        for (failure, count) in failures { entry.failures[failure.rawValue] = count }
        entry.handshakeSeconds = handshake?.inSeconds
        entry.failingTargets = targets.filter(\.value.isFailing).keys.map(\.authority).sorted()
        let times = [proxy.untilProbe(now: now)] + targets.values.map { $0.untilProbe(now: now) }
        entry.secondsToProbe = times.compactMap { $0 }.min()?.inSeconds
        return entry
    }

    private mutating func succeeded(_ target: TunnelTarget?, _ now: Deadline) -> [Change] {
        let wasFailing =
            if let target {
                targets[target]?.succeeded(now: now) ?? false
            } else {
                proxy.succeeded(now: now)
            }
        return wasFailing ? [Change(target: target, isFailing: false)] : []
    }

    private mutating func makeRoom(for target: TunnelTarget, _ now: Deadline) {
        guard targets[target] == nil, targets.count >= Self.maxTargets else { return }
        targets = targets.filter { !$0.value.isQuiet(now: now) }
        if targets.count >= Self.maxTargets { targets = [:] }
    }
}
