package import ApusCore
package import ApusSocket

/// Finds out whether a silent HTTP/2 connection is alive, by one PING at a time: always while it
/// has open streams, and while it is idle where the tuning asks for that.
///
/// A dead connection through a NAT looks like a quiet one; only an unanswered PING shows the
/// difference. Any byte from the peer is an answer. A PING that was queued after other bytes
/// arrives when they have, however slow the path: until then each byte that the peer's system takes
/// is a sign of life, and the time begins anew with it.
///
/// Confined to its connection's loop.
package final class HTTP2Liveness: @unchecked Sendable {
    private enum State {
        /// Nothing is owed. Exits: `.pinged` after silence or a doubt.
        case trusted
        /// A PING was sent at this instant, or the bytes before it moved last. Exits: `.trusted` by
        /// any byte, `.suspect` by `http2.suspectAfter`.
        case pinged(Deadline)
        /// That PING is unanswered for too long: no new streams. Exits: `.trusted` by any byte,
        /// `.pinged` when the bytes before it move, or the connection's end by `http2.deadAfter`.
        case suspect(Deadline)
    }

    /// What becomes of our bytes.
    package struct Output {
        /// How many of them the peer's system has taken so far.
        var taken: UInt64 = 0
        /// Whether there are others that it has not.
        var isPending = false

        package init(taken: UInt64 = 0, isPending: Bool = false) {
            self.taken = taken
            self.isPending = isPending
        }
    }

    private let tuning: EngineTuning.HTTP2
    private let loop: EventLoop
    private var state = State.trusted
    private var lastHeard = Deadline.now()
    /// When the peer last answered a PING, by whatever it sent.
    private var lastAnswer: Deadline?
    /// Whether a request has run out of time, and nothing has come since.
    private var isDoubted = false
    private var hasStreams = false
    private var timer: LoopTimer?
    /// How many bytes were taken when that was last looked at; `nil` where nothing is before
    /// the PING, so that only an answer proves anything.
    private var takenBefore: UInt64?
    /// Looks what has become of our bytes.
    package var output: () -> Output = { Output() }
    /// Sends a PING.
    package var ping: () -> Void = {}
    /// The connection may be dead: it should get no new streams.
    package var suspected: () -> Void = {}
    /// The suspect showed life.
    package var trusted: () -> Void = {}
    /// The connection is dead.
    package var died: () -> Void = {}

    package init(_ tuning: EngineTuning.HTTP2, on loop: EventLoop) {
        self.tuning = tuning
        self.loop = loop
    }

    package func bytesReceived(now: Deadline) {
        lastHeard = now
        isDoubted = false
        switch state {
        case .trusted: return
        case .pinged:
            state = .trusted
            lastAnswer = now
        case .suspect:
            lastAnswer = now
            state = .trusted
            // The timer is set for the connection's end, which is too late for the next silence.
            stopTimer()
            if let silence { look(at: now.advanced(by: silence)) }
            trusted()
        }
    }

    /// The connection is there, and idle.
    func connectionOpened() {
        watchIdle()
    }

    /// The first stream was opened: from now on silence counts.
    ///
    /// After a long silence without streams it is not known whether the peer is still there: it is
    /// asked at once, beside the request.
    package func streamsOpened() {
        hasStreams = true
        guard case .trusted = state, !isDoubted else { return }
        stopTimer()
        guard let silence = tuning.pingAfter else { return }
        let now = Deadline.now()
        guard now < lastHeard.advanced(by: silence) else { return ask(now) }
        lastHeard = now
        look(at: now.advanced(by: silence))
    }

    /// No stream is open: silence is all right, unless an answer is owed or the tuning asks idle
    /// connections too.
    func streamsClosed() {
        hasStreams = false
        guard case .trusted = state, !isDoubted else { return }
        stopTimer()
        watchIdle()
    }

    private func watchIdle() {
        guard let silence = tuning.idlePingAfter else { return }
        look(at: lastHeard.advanced(by: silence))
    }

    /// A request ran out of time, which may be the peer's death: it is asked at once, or
    /// `http2.suspectAfter` after it answered the last time.
    ///
    /// A peer that has just answered is alive and slow; a PING for each timeout would only be more
    /// to do for it.
    func doubted() {
        guard tuning.pingAfter != nil, case .trusted = state, !isDoubted else { return }
        let now = Deadline.now()
        stopTimer()
        let due = lastAnswer?.advanced(by: tuning.suspectAfter) ?? now
        if due <= now { return ask(now) }
        isDoubted = true
        look(at: due)
    }

    /// The connection has ended.
    package func stop() {
        stopTimer()
    }

    /// The silence after which the peer is asked now.
    private var silence: Duration? { hasStreams ? tuning.pingAfter : tuning.idlePingAfter }

    private func ask(_ now: Deadline) {
        note(output())
        expectAnswer(since: now)
        ping()
    }

    private func expectAnswer(since now: Deadline) {
        isDoubted = false
        state = .pinged(now)
        look(at: now.advanced(by: tuning.suspectAfter))
    }

    /// Whether bytes before the PING were taken since they were last looked at.
    private func hasMoved() -> Bool {
        guard let takenBefore else { return false }
        let output = output()
        note(output)
        return takenBefore < output.taken
    }

    private func note(_ output: Output) {
        // Once nothing is pending the PING has arrived as well.
        takenBefore = output.isPending ? output.taken : nil
    }

    private func look(at deadline: Deadline) {
        timer = loop.schedule(at: deadline) { [weak self] in self?.check() }
    }

    private func stopTimer() {
        if let timer { loop.cancel(timer) }
        timer = nil
    }

    private func check() {
        timer = nil
        let now = Deadline.now()
        switch state {
        case .trusted:
            // Nothing has come since the doubt.
            if isDoubted { return ask(now) }
            guard let silence else { return }
            let due = lastHeard.advanced(by: silence)
            if due <= now { ask(now) } else { look(at: due) }
        case .pinged(let asked):
            if hasMoved() { return expectAnswer(since: now) }
            state = .suspect(asked)
            lookAgain(asked, now)
            suspected()
        case .suspect(let asked):
            if hasMoved() {
                expectAnswer(since: now)
                return trusted()
            }
            if now < asked.advanced(by: tuning.deadAfter) { lookAgain(asked, now) } else { died() }
        }
    }

    /// At the hour of death, and before it while bytes may move.
    private func lookAgain(_ asked: Deadline, _ now: Deadline) {
        let death = asked.advanced(by: tuning.deadAfter)
        let next = now.advanced(by: tuning.suspectAfter)
        look(at: takenBefore == nil ? death : min(death, next))
    }
}
