/// Hears what an engine does, as it happens; without one, nothing is gathered.
///
/// Called on the engine's threads and on those of its callers, with no lock held: return at once.
/// An exchange's events come in their order; events of different exchanges and connections may
/// interleave.
public protocol EngineObserver: Sendable {
    func observe(_ event: EngineEvent)
}
