/// Receives the events of an engine as they happen; without an observer, no events are made.
///
/// It is called on the engine's threads and on those of its callers, with no lock held: return at
/// once. The events of one exchange come in order; those of different exchanges and connections may
/// interleave.
public protocol EngineObserver: Sendable {
    /// Receives one event.
    func observe(_ event: EngineEvent)
}
