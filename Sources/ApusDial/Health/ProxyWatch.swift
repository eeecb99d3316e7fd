package import ApusCore
import ApusSocket
import Synchronization

/// What is known of the proxies, under a lock; changes are reported to the observer.
///
/// Unchecked, because `health` is touched only with the lock held.
package final class ProxyWatch: @unchecked Sendable {
    private let observer: EventReporter?
    /// How long a proxy that begins to fail is left alone.
    private let pause: Duration
    private let lock = Lock()
    private var health: ProxyHealth
    /// Whether any proxy is failing: most engines never have one, and their requests take no lock.
    private let isBarring = Atomic<Bool>(false)

    package init(_ tuning: EngineTuning.Pool, observer: EventReporter?) {
        self.observer = observer
        pause = tuning.proxyBackoff ?? .zero
        health = ProxyHealth(tuning)
    }

    /// Why no dial of the route may begin now; `nil` when one may.
    package func refusal(of route: Route, now: Deadline) -> TransportError? {
        guard isBarring.load(ordering: .relaxed), !route.proxies.isEmpty else { return nil }
        return lock.withLock { health.refusal(of: route, now: now) }
    }

    /// A dial is to begin; why it may not, or `nil`.
    ///
    /// A dial that begins must end with `ended`.
    func begins(
        _ dial: ConnectionID, _ route: Route, now: @autoclosure () -> Deadline = .now()
    ) -> TransportError? {
        guard isBarring.load(ordering: .relaxed), !route.proxies.isEmpty else { return nil }
        let now = now()
        return lock.withLock { health.begins(dial, route, now: now) }
    }

    /// A dial that began has ended; see `ProxyHealth.ended`.
    func ended(
        _ dial: ConnectionID, _ route: Route, since began: Deadline, _ outcomes: [ProxyOutcome],
        _ error: TransportError?, now: Deadline = .now()
    ) {
        change { $0.ended(dial, route, since: began, outcomes, error, now: now) }
    }

    /// A connection of the route ended while it carried an exchange.
    package func wasCut(_ route: Route, now: Deadline) {
        guard !route.proxies.isEmpty else { return }
        change { $0.wasCut(route, now: now) }
    }

    /// The proxies as users read of them.
    package func entries(now: Deadline = .now()) -> [EngineSnapshot.ProxyEntry] {
        lock.withLock { health.entries(now: now) }
    }

    /// Forgets each proxy through which a route without credentials and scope matches; the
    /// predicate is called with no lock held.
    package func forget(where matches: (Route) -> Bool) {
        let paths = lock.withLock { health.routes }.filter { matches($0.route) }.map(\.path)
        change {
            $0.forget(paths)
            return []
        }
    }

    private func change(_ body: (inout ProxyHealth) -> [ProxyHealth.Change]) {
        let changes = lock.withLock {
            defer { isBarring.store(health.failing > 0, ordering: .relaxed) }
            return body(&health)
        }
        guard let observer else { return }
        for change in changes {
            switch change {
            case .failing(let proxy, let target, let evidence):
                observer.observe(
                    .proxyFailing(proxy: proxy, target: target, because: evidence, for: pause))
            case .recovered(let proxy, let target):
                observer.observe(.proxyRecovered(proxy: proxy, target: target))
            }
        }
    }
}
