import ApusRetry
import Synchronization

/// A clock that a test moves: a wait ends at once and moves the clock to its end.
final class ManualClock: Sendable {
    private struct State {
        var now = ContinuousClock.now
        var waits: [Duration] = []
        var onWait: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())
    /// The time of day, which does not move.
    let wallTime: Int64 = 784_111_777

    var now: ContinuousClock.Instant { state.withLock(\.now) }
    /// The waits so far.
    var waits: [Duration] { state.withLock(\.waits) }

    func advance(by duration: Duration) {
        state.withLock { $0.now += duration }
    }

    /// Calls a function during each wait.
    func whenWaiting(_ function: @escaping @Sendable () -> Void) {
        state.withLock { $0.onWait = function }
    }

    /// The clock for a layer.
    var clock: RetryClock {
        RetryClock(
            now: { self.now }, wallTime: { self.wallTime },
            sleep: { end in
                let onWait = self.state.withLock { state in
                    state.waits.append(end - state.now)
                    state.now = max(state.now, end)
                    return state.onWait
                }
                onWait?()
            })
    }
}
