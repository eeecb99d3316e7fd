package import ApusCore
import ApusSocket

/// What the connections of an engine have shown of their ways, under a lock.
///
/// It is read when a connection is made and written when something was learned, never by a request.
/// Unchecked, because `memory` is touched only with the lock held.
package final class WayWatch: @unchecked Sendable {
    private let tuning: EngineTuning.HTTP2
    private let lock = Lock()
    private var memory = WayMemory()

    package init(_ tuning: EngineTuning.HTTP2) {
        self.tuning = tuning
    }

    /// What a new connection of the route is to know.
    func lessons(for route: Route, now: Deadline = .now()) -> WayLessons {
        lock.withLock { memory.lessons(for: route, tuning, now: now) }
    }

    /// Something was learned; `nil` when `http2.learnsPings` is off.
    func learn<Result>(_ body: (inout WayMemory, Deadline) -> Result) -> Result? {
        guard tuning.learnsPings else { return nil }
        let now = Deadline.now()
        return lock.withLock { body(&memory, now) }
    }

    /// Forgets the routes that match; the predicate is called with no lock held.
    package func forget(where matches: (Route) -> Bool) {
        let forgotten = lock.withLock { memory.routes }.filter(matches)
        lock.withLock { memory.forget(forgotten) }
    }

    /// The ways of which something is known, sorted.
    package func entries(now: Deadline = .now()) -> [EngineSnapshot.LearnedWay] {
        lock.withLock { memory.entries(tuning, now: now) }.sorted { $0.route < $1.route }
    }
}
