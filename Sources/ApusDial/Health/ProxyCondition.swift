import ApusCore

/// Whether dials through one proxy may begin: to any target, or to one.
///
/// Dials of two routes that fail within a minute with no success between them are enough, one of
/// which may be a connection that was cut. Then no dial begins for a while, and after that one
/// probes. Each probe that fails doubles the time; any success ends the matter. Without clock or
/// lock.
struct ProxyCondition: Sendable {
    private enum State: Sendable {
        /// Failures are counted. Exits: `.failing`.
        case counting
        /// No dial begins. Exits: `.probed`; `.counting` by a success of a dial that began before.
        case failing(until: Deadline, pause: Duration)
        /// This dial probes. Exits: `.failing`, `.counting`.
        case probed(by: ConnectionID, pause: Duration)
    }

    private struct Failure: Sendable {
        let kind: ProxyFailure
        /// The hash of the route, which holds no credentials.
        let route: Int
        let time: Deadline
    }

    /// How long no dial begins.
    struct Limits: Sendable {
        /// The longest time for one target, which may be at fault itself: its return must be
        /// noticed soon.
        static let mostForTarget = Duration.seconds(30)

        /// At first; `nil` is off.
        let first: Duration?
        let most: Duration

        /// The same for one target.
        var forTarget: Limits {
            Limits(
                first: first.map { min($0, Self.mostForTarget) },
                most: min(most, Self.mostForTarget))
        }
    }

    /// How long a failure counts.
    static let memory = Duration.seconds(60)
    /// How many routes must have failed.
    static let routes = 2
    /// The most failures that are kept.
    static let maxFailures = 8

    private var state = State.counting
    private var failures: [Failure] = []
    private var succeededAt: Deadline?
    /// Why the last of those dials failed, without its route.
    private(set) var lastError: TransportError?

    var isFailing: Bool {
        if case .counting = state { false } else { true }
    }

    /// What counts against the proxy now, oldest first.
    func evidence(now: Deadline) -> [ProxyFailure] {
        failures.filter { isFailing || $0.time.advanced(by: Self.memory) > now }.map(\.kind)
    }

    /// Whether nothing is worth to be kept.
    func isQuiet(now: Deadline) -> Bool { !isFailing && evidence(now: now).isEmpty }

    /// How long no dial may begin; zero while a probe is under way, `nil` when one may begin now.
    func bar(now: Deadline) -> Duration? {
        switch state {
        case .counting: nil
        case .failing(let end, _): now < end ? end.since(now) : nil
        case .probed: .zero
        }
    }

    /// The time until a probe may begin; `nil` when the proxy is not failing.
    func untilProbe(now: Deadline) -> Duration? { isFailing ? bar(now: now) ?? .zero : nil }

    /// A dial begins: the one that probes, if it is time for that.
    mutating func begins(_ dial: ConnectionID) {
        if case .failing(_, let pause) = state { state = .probed(by: dial, pause: pause) }
    }

    /// A dial failed, by the proxy's fault; one that began before another one succeeded shows
    /// nothing.
    ///
    /// - Returns: whether the proxy is failing from now on.
    mutating func failed(
        _ kind: ProxyFailure, _ attempt: ProxyAttempt, _ limits: Limits
    ) -> Bool {
        switch state {
        case .probed(attempt.dial, let pause):
            let next = pause.doubled(1, upTo: limits.most)
            note(kind, attempt.error, attempt.route, attempt.now)
            state = .failing(until: attempt.now.advanced(by: next), pause: next)
            return false
        // It began before.
        case .failing, .probed: return false
        case .counting:
            if let succeededAt, attempt.began < succeededAt { return false }
            note(kind, attempt.error, attempt.route, attempt.now)
            return judge(attempt.now, limits)
        }
    }

    /// A connection of the route was cut, which counts only beside a dial that failed.
    ///
    /// - Returns: whether the proxy is failing from now on.
    mutating func wasCut(route: Int, now: Deadline, _ limits: Limits) -> Bool {
        guard case .counting = state else { return false }
        note(.cut, nil, route, now)
        return judge(now, limits)
    }

    /// A dial succeeded.
    ///
    /// - Returns: whether the proxy was failing.
    mutating func succeeded(now: Deadline) -> Bool {
        let wasFailing = isFailing
        state = .counting
        failures = []
        lastError = nil
        succeededAt = now
        return wasFailing
    }

    /// A dial has ended; if it was the probe and showed nothing, the next dial probes.
    mutating func ended(_ dial: ConnectionID, now: Deadline) {
        if case .probed(dial, let pause) = state { state = .failing(until: now, pause: pause) }
    }

    /// What a request fails with for which no dial may begin.
    func refusal(
        of route: Route, by proxy: String, to target: TunnelTarget?, left: Duration, now: Deadline
    ) -> TransportError {
        var error =
            lastError ?? TransportError(.proxyFailed, phase: .proxy, message: "dials failed")
        var kinds: [String] = []
        for kind in evidence(now: now).map(\.rawValue) where !kinds.contains(kind) {
            kinds.append(kind)
        }
        let routes = Set(failures.map(\.route)).count
        let end = target.map { " to \($0.authority)" } ?? ""
        error.message =
            "the proxy \(proxy) is failing\(end): \(kinds.joined(separator: ", ")) over "
            + "\(routes) route\(routes == 1 ? "" : "s"), last: \(error.message); "
            + (left > .zero ? "the next probe is in \(left.words)" : "a probe is under way")
        error.route = route
        error.hop = .proxy
        error.replay = .notSent
        error.isOfDial = false
        error.isHeldBack = true
        return error
    }

    private mutating func judge(_ now: Deadline, _ limits: Limits) -> Bool {
        guard let first = limits.first, failures.contains(where: { $0.kind != .cut }),
            Set(failures.map(\.route)).count >= Self.routes
        else { return false }
        state = .failing(until: now.advanced(by: first), pause: first)
        return true
    }

    private mutating func note(
        _ kind: ProxyFailure, _ error: TransportError?, _ route: Int, _ now: Deadline
    ) {
        failures.removeAll {
            $0.time.advanced(by: Self.memory) <= now || ($0.route == route && $0.kind == kind)
        }
        if failures.count >= Self.maxFailures { failures.removeFirst() }
        failures.append(Failure(kind: kind, route: route, time: now))
        guard var error else { return }
        error.route = nil
        error.attempts = []
        lastError = error
    }
}
