public import Apus

/// Several observers as one: each receives every event, in the order of the array.
public struct ObserverGroup: EngineObserver {
    private let observers: [any EngineObserver]

    /// Creates a group.
    public init(_ observers: [any EngineObserver]) {
        self.observers = observers
    }

    /// Passes one event to each observer.
    public func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
        for observer in observers { observer.observe(event, at: instant) }
    }
}
