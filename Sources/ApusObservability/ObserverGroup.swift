public import Apus

/// Several observers as one: each hears every event, in the order given.
public struct ObserverGroup: EngineObserver {
    private let observers: [any EngineObserver]

    public init(_ observers: [any EngineObserver]) {
        self.observers = observers
    }

    public func observe(_ event: EngineEvent) {
        for observer in observers { observer.observe(event) }
    }
}
