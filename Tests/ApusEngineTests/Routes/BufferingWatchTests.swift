@testable import ApusCore
@testable import ApusEngine
import Synchronization
import Testing

/// The program's observer gets every event, and then what it shows of the way: incident E7.
@Suite(.timeLimit(.minutes(5))) struct BufferingWatchTests {
    private final class Notes: EngineObserver {
        let kept = Mutex<[String]>([])

        func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
            let note: String =
                switch event {
                case .exchangeCompleted: "completed"
                case .responsesBuffered(let route, let streams): "\(route): \(streams) buffered"
                default: "other"
                }
            kept.withLock { $0.append(note) }
        }
    }

    /// A stream that came whole at its end.
    private func event(isEventStream: Bool = true) throws -> EngineEvent {
        var summary = ExchangeSummary(exchange: 1, method: "POST", route: try route(1))
        summary.isEventStream = isEventStream
        summary.queued = .zero
        summary.firstByte = .seconds(40)
        summary.duration = .seconds(40)
        summary.bytesReceived = 20_000
        summary.bytesAtEnd = 20_000
        return .exchangeCompleted(summary)
    }

    @Test func aWayThatBuffersIsReportedAfterItsThirdStream() throws {
        let notes = Notes()
        let watch = BufferingWatch(notes)
        for _ in 0..<3 { watch.observe(try event(isEventStream: false), at: .now) }
        for _ in 0..<3 { watch.observe(try event(), at: .now) }
        watch.observe(.shutdownFinished(cut: []), at: .now)
        watch.forget { _ in true }
        for _ in 0..<3 { watch.observe(try event(), at: .now) }
        let three = [String](repeating: "completed", count: 3)
        let report = ["http://host-1: 3 buffered"]
        #expect(notes.kept.withLock { $0 } == three + three + report + ["other"] + three + report)
    }
}
