import Apus

/// Events without an instant of their own.
extension EngineObserver {
    /// Receives an event that happens now.
    func observe(_ event: EngineEvent) {
        observe(event, at: .now)
    }
}
