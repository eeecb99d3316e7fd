/// Receives the events of an engine as they happen; without an observer, no events are made.
///
/// It is called on the engine's threads and on those of its callers, with no lock held: return at
/// once. The events of one exchange come in order; those of different exchanges and connections may
/// interleave.
public protocol EngineObserver: Sendable {
    /// Receives one event.
    ///
    /// - Parameters:
    ///   - event: what has happened.
    ///   - instant: when it happened, on the clock of every other instant and duration of the
    ///     engine (CLOCK_MONOTONIC).
    func observe(_ event: EngineEvent, at instant: EngineEvent.Instant)
}

extension EngineEvent {
    /// An instant of the monotonic clock, which does not advance while the system sleeps.
    public typealias Instant = SuspendingClock.Instant
}

/// Gives each event to an observer, with the instant at which it was reported.
package struct EventReporter: Sendable {
    private let observer: any EngineObserver

    package init(_ observer: any EngineObserver) {
        self.observer = observer
    }

    package func observe(_ event: EngineEvent) {
        observer.observe(event, at: .now)
    }
}
