import Synchronization

/// Bytes sent and received, drawn on a terminal after the first second.
final class Progress: Sendable {
    private struct State {
        var sent: UInt64 = 0
        var received: UInt64 = 0
        /// The length of all bodies known so far; `nil` when one is unknown.
        var expected: UInt64? = 0
        var finished = 0
        var drawnAt: UInt64
    }

    private static let patience: UInt64 = 1_000_000_000
    private static let interval: UInt64 = 100_000_000

    private let console: Console
    /// Whether anything will ever be drawn.
    let isEnabled: Bool
    private let exchanges: Int
    private let startedAt: UInt64
    private let state: Mutex<State>

    /// - Parameter isEnabled: whether standard error is a terminal without other output.
    init(console: Console, isEnabled: Bool, exchanges: Int) {
        self.console = console
        self.isEnabled = isEnabled && console.isTerminal
        self.exchanges = exchanges
        startedAt = monotonicNanoseconds()
        state = Mutex(State(drawnAt: startedAt))
    }

    /// A body of this length is transferred; `nil` when its length is unknown.
    func expect(_ length: UInt64?) {
        update { state in
            state.expected = state.expected.flatMap { sum in length.map { sum + $0 } }
        }
    }

    func sent(_ count: Int) { update { $0.sent += UInt64(count) } }

    func received(_ count: Int) { update { $0.received += UInt64(count) } }

    func exchangeFinished() { update { $0.finished += 1 } }

    private func update(_ change: (inout State) -> Void) {
        guard isEnabled else { return }
        let now = monotonicNanoseconds()
        let line: String? = state.withLock { state in
            change(&state)
            guard now - startedAt > Progress.patience, now - state.drawnAt > Progress.interval
            else { return nil }
            state.drawnAt = now
            return text(state, elapsed: Double(now - startedAt) / 1e9)
        }
        if let line { console.draw(line) }
    }

    /// A bar when the length is known, else only the amount and the rate.
    private func text(_ state: State, elapsed: Double) -> String {
        let moved = state.sent + state.received
        let rate = readableSize(UInt64(Double(moved) / elapsed)) + "/s"
        var text = ""
        if exchanges > 1 { text += "\(state.finished) of \(exchanges) done  " }
        guard exchanges == 1, let expected = state.expected, expected > 0, moved <= expected else {
            return text + "\(readableSize(moved))  \(rate)"
        }
        let width = 30
        let filled = Int(Double(width) * Double(moved) / Double(expected))
        let bar =
            String(repeating: "=", count: filled) + String(repeating: " ", count: width - filled)
        let percent = String(100 * moved / expected).padded(toRight: 3)
        return "\(percent)% [\(bar)] \(readableSize(moved)) of \(readableSize(expected))  \(rate)"
    }
}
