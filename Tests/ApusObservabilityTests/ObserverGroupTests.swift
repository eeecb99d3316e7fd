import Apus
import ApusObservability
import Synchronization
import Testing

/// A group passes each event to its observers in order.
@Suite struct ObserverGroupTests {
    /// Notes its name for each event.
    private final class Noting: EngineObserver {
        let name: String
        let notes: Notes

        init(_ name: String, _ notes: Notes) {
            self.name = name
            self.notes = notes
        }

        func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
            notes.names.withLock { $0.append(name) }
        }
    }

    /// The names in the order of the calls.
    private final class Notes: Sendable {
        let names = Mutex<[String]>([])
    }

    @Test func eachObserverReceivesEachEventInOrder() {
        let notes = Notes()
        let group = ObserverGroup([Noting("a", notes), Noting("b", notes)])
        group.observe(.shutdownStarted(drain: .seconds(1)))
        group.observe(.shutdownFinished(cut: []))
        #expect(notes.names.withLock { $0 } == ["a", "b", "a", "b"])
        ObserverGroup([]).observe(.shutdownFinished(cut: []))
    }
}
