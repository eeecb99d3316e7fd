package import ApusCore
package import ApusSocket

/// Notices a peer that takes nothing of what is sent to it: a socket that stays full.
///
/// PING cannot find it out, since the PING waits as well, and a peer that goes on sending looks
/// alive. What counts is time without a byte taken: however slowly a peer reads, it is no offence.
///
/// Confined to its connection's loop, hence unchecked.
package final class HTTP2OutputWatch: @unchecked Sendable {
    private enum State {
        /// The socket has taken all. Exits: `.blocked` when a flush leaves bytes.
        case flowing
        /// The socket is full since this instant, or has taken its last byte then. Exits:
        /// `.flowing` when it takes the rest, `.stalled` by `http2.suspectAfter` without a byte.
        case blocked(Deadline)
        /// The same, for too long: no new streams. Exits: `.flowing` or `.blocked` by any byte
        /// taken, or the connection's end by `http2.writeTimeout`.
        case stalled(Deadline)
    }

    private let suspectAfter: Duration
    private let writeTimeout: Duration?
    private let loop: EventLoop
    private var state = State.flowing
    /// What the peer had not taken when that was last looked at, be it here or in the socket.
    private var unsent = 0
    private var timer: LoopTimer?
    /// The peer takes nothing: it should get no new streams.
    package var stalled: () -> Void = {}
    /// The peer takes bytes again.
    package var moved: () -> Void = {}
    /// The peer has taken nothing for `http2.writeTimeout`.
    package var died: () -> Void = {}
    /// What the peer has not taken now, in the socket too: that a slow one empties in small steps
    /// is seen there first.
    package var pending: () -> Int = { 0 }

    package init(_ tuning: EngineTuning.HTTP2, on loop: EventLoop) {
        writeTimeout = tuning.writeTimeout
        suspectAfter = min(tuning.suspectAfter, tuning.writeTimeout ?? tuning.suspectAfter)
        self.loop = loop
    }

    /// A flush is over: the socket is full and so many bytes are not taken by the peer, or none
    /// wait for it; it had taken everything before if `hasMoved`.
    package func flushed(unsent: Int, hasMoved: Bool) {
        if case .flowing = state, unsent == 0 { return }
        guard writeTimeout != nil else { return }
        guard unsent > 0 else { return flow() }
        switch state {
        case .flowing: block(unsent)
        case .blocked, .stalled:
            if hasMoved || unsent < self.unsent { block(unsent) }
        }
    }

    /// The connection has ended.
    package func stop() {
        stopTimer()
        state = .flowing
    }

    private func flow() {
        stopTimer()
        change(to: .flowing)
    }

    private func block(_ unsent: Int) {
        self.unsent = unsent
        let now = Deadline.now()
        change(to: .blocked(now))
        look(at: now.advanced(by: suspectAfter))
    }

    private func change(to next: State) {
        let wasStalled = if case .stalled = state { true } else { false }
        state = next
        if wasStalled { moved() }
    }

    private func check() {
        timer = nil
        let unsent = pending()
        guard unsent > 0 else { return flow() }
        guard unsent >= self.unsent else { return block(unsent) }
        switch state {
        case .flowing: return
        case .blocked(let since):
            state = .stalled(since)
            lookAgain(since)
            stalled()
        case .stalled(let since):
            let death = since.advanced(by: writeTimeout ?? suspectAfter)
            if Deadline.now() < death { lookAgain(since) } else { died() }
        }
    }

    /// At the hour of death, and before it: a slow peer may empty the socket for long before that
    /// has room for more and says so.
    private func lookAgain(_ since: Deadline) {
        let death = since.advanced(by: writeTimeout ?? suspectAfter)
        look(at: min(death, Deadline.now().advanced(by: suspectAfter)))
    }

    private func look(at deadline: Deadline) {
        stopTimer()
        timer = loop.schedule(at: deadline) { [weak self] in self?.check() }
    }

    private func stopTimer() {
        if let timer { loop.cancel(timer) }
        timer = nil
    }
}
