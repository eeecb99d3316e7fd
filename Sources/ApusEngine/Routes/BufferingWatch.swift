import ApusCore
import ApusSocket

/// Reports the ways on which a hop buffers event streams to the program's observer, which gets
/// every event before it is judged.
///
/// Unchecked, because `ways` is touched only with the lock held.
final class BufferingWatch: EngineObserver, @unchecked Sendable {
    private let observer: any EngineObserver
    private let lock = Lock()
    private var ways = BufferedWays()

    init(_ observer: any EngineObserver) {
        self.observer = observer
    }

    func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
        observer.observe(event, at: instant)
        guard case .exchangeCompleted(let summary) = event, summary.isEventStream,
            let delivery = BufferedWays.delivery(of: summary)
        else { return }
        guard lock.withLock({ ways.streamEnded(summary.route, delivery) }) else { return }
        observer.observe(
            .responsesBuffered(route: summary.route, streams: BufferedWays.limit), at: instant)
    }

    /// Forgets the routes that match; the predicate is called with no lock held.
    func forget(where matches: (Route) -> Bool) {
        let forgotten = lock.withLock { ways.routes }.filter(matches)
        lock.withLock { ways.forget(forgotten) }
    }
}
