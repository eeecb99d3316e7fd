package import ApusCore

/// Finds out whether a silent HTTP/2 connection is alive, by one PING at a time: always while it
/// has open streams, and while it is idle where the tuning asks for that.
///
/// A dead connection through a NAT looks like a quiet one; only an unanswered PING shows the
/// difference. Any byte from the peer is an answer. A PING that was queued after other bytes
/// arrives when they have, however slow the path: until then each byte that the peer's system takes
/// is a sign of life, and the time begins anew with it.
///
/// The time to death is `http2.deadAfter`, or four times what PINGs take on the way where that is
/// more, up to six times `http2.deadAfter`. An unanswered PING is a proof where one of these holds:
/// - a PING was acknowledged before, on this connection or on another of the way;
/// - the peer has sent nothing at all on this connection;
/// - the PING itself has not arrived: the peer's system has acknowledged no byte since;
/// - no stream is open, so that the end costs nothing.
///
/// Elsewhere something on the way may swallow PINGs. The peer then stays suspect; what ends the
/// connection is TCP (keepalive, `dial.userTimeout`, `http2.writeTimeout`) or a request's limit.
package struct HTTP2Liveness: Sendable {
    /// What the connection has to do.
    package enum Action: Sendable, Hashable {
        /// Send a PING.
        case ping
        /// The peer may be dead: the connection should get no new streams.
        case suspect
        /// The suspect showed life.
        case trust
        /// The peer is dead.
        case end
    }

    /// What has become of our bytes.
    package struct Output: Sendable {
        /// How many of them the peer's system has taken so far.
        let taken: UInt64
        /// Whether there are others that it has not.
        let isPending: Bool
        /// Whether a PING is unanswered already: one is sent at a time.
        let hasPing: Bool

        package init(taken: UInt64 = 0, isPending: Bool = false, hasPing: Bool = false) {
            self.taken = taken
            self.isPending = isPending
            self.hasPing = hasPing
        }
    }

    private enum State: Sendable {
        /// Nothing is owed. Exits: `.doubted`, or `.pinged` after silence.
        case trusted
        /// A request has run out of time, and the peer is asked at this instant. Exits: `.trusted`
        /// by any byte, `.pinged`.
        case doubted(askAt: Deadline)
        /// A PING was sent at this instant, or the bytes before it moved last. Exits: `.trusted` by
        /// any byte, `.suspect` by `http2.suspectAfter`.
        case pinged(Deadline)
        /// That PING is unanswered for too long: no new streams. Exits: `.trusted` by any byte,
        /// `.pinged` when the bytes before it move, `.dead` or `.unproven` by the time to death.
        case suspect(Deadline, nextLook: Deadline)
        /// The same, but it proves nothing. Exits: `.trusted` by any byte, `.suspect`, and with it
        /// `.dead`, when no stream is left.
        case unproven
        /// No exits.
        case dead
    }

    private let pingAfter: Duration?
    private let idlePingAfter: Duration?
    private let suspectAfter: Duration
    private let deadAfter: Duration
    /// How long PINGs take on the way; `nil` while none was acknowledged there.
    private var pingTime: Duration?
    /// Since when the next acknowledgement is waited for.
    private var askedAt: Deadline?
    /// Whether the peer has sent anything.
    private var hasHeard = false
    /// How many bytes the peer's system had taken before the last PING was sent.
    private var takenAtPing: UInt64 = 0
    private var state = State.trusted
    private var lastHeard: Deadline
    /// When the peer last answered a PING, by whatever it sent.
    package private(set) var lastAnswer: Deadline?
    private var hasStreams = false
    /// How many bytes were taken when that was last looked at; `nil` where nothing is before
    /// the PING, so that only an answer proves anything.
    private var takenBefore: UInt64?

    /// The connection is established at `now`, and idle.
    ///
    /// - Parameter pingTime: how long PINGs take on the way; `nil` while none was acknowledged.
    package init(_ tuning: EngineTuning.HTTP2, pingTime: Duration? = nil, now: Deadline) {
        self.pingTime = pingTime
        pingAfter = tuning.pingAfter
        idlePingAfter = tuning.idlePingAfter
        suspectAfter = tuning.suspectAfter
        deadAfter = tuning.deadAfter
        lastHeard = now
    }

    /// Whether a PING is unanswered.
    package var isAnswerOwed: Bool {
        switch state {
        case .pinged, .suspect, .unproven: true
        case .trusted, .doubted, .dead: false
        }
    }

    /// When `deadlineReached` is to be called; `nil` is never.
    ///
    /// Bytes that are received move it to a later instant or leave it as it is, except where they
    /// answer a PING.
    package var nextDeadline: Deadline? {
        switch state {
        case .trusted: silence.map { lastHeard.advanced(by: $0) }
        case .doubted(let askAt): askAt
        case .pinged(let asked): asked.advanced(by: suspectAfter)
        case .suspect(_, let nextLook): nextLook
        case .unproven, .dead: nil
        }
    }

    /// The peer has sent something.
    package mutating func bytesReceived(now: Deadline) -> Action? {
        lastHeard = now
        hasHeard = true
        switch state {
        case .trusted, .dead: return nil
        case .doubted:
            state = .trusted
            return nil
        case .pinged:
            state = .trusted
            lastAnswer = now
            return nil
        case .suspect, .unproven:
            state = .trusted
            lastAnswer = now
            return .trust
        }
    }

    /// A PING was acknowledged; called after `bytesReceived`.
    ///
    /// - Returns: how long it took; `nil` when it was not sent because of a silence.
    package mutating func pingAcknowledged(now: Deadline) -> Duration? {
        guard let asked = askedAt else {
            if pingTime == nil { pingTime = .zero }
            return nil
        }
        askedAt = nil
        let time = now.since(asked)
        pingTime = Self.pingTime(pingTime, time)
        return time
    }

    /// What PINGs take, after another one: the longest time, which a shorter one brings an eighth
    /// nearer to its own.
    package static func pingTime(_ known: Duration?, _ next: Duration) -> Duration {
        guard let known, next < known else { return next }
        return known - (known - next) / 8
    }

    /// How long a PING may be unanswered.
    package var timeToDeath: Duration {
        max(deadAfter, min((pingTime ?? .zero) * 4, deadAfter * 6))
    }

    /// The first stream was opened: from now on silence counts.
    ///
    /// After a long silence without streams it is not known whether the peer is still there: it is
    /// asked at once, beside the request.
    package mutating func streamsOpened(
        now: Deadline, output: @autoclosure () -> Output
    ) -> Action? {
        hasStreams = true
        guard case .trusted = state, let silence else { return nil }
        if lastHeard.advanced(by: silence) <= now { return ask(now, output()) }
        lastHeard = now
        return nil
    }

    /// No stream is open: silence is all right, unless an answer is owed or the tuning asks idle
    /// connections too.
    package mutating func streamsClosed() {
        hasStreams = false
        if case .unproven = state { state = .suspect(lastHeard, nextLook: lastHeard) }
    }

    /// A request ran out of time, which may be the peer's death: it is asked at once, or
    /// `http2.suspectAfter` after it answered the last time.
    ///
    /// A peer that has just answered is alive and slow; a PING for each timeout would only be more
    /// to do for it.
    package mutating func requestTimedOut(
        now: Deadline, output: @autoclosure () -> Output
    ) -> Action? {
        guard pingAfter != nil, case .trusted = state else { return nil }
        let due = lastAnswer?.advanced(by: suspectAfter) ?? now
        if due <= now { return ask(now, output()) }
        state = .doubted(askAt: due)
        return nil
    }

    /// Looks at what the time has brought; called too early, it changes nothing.
    package mutating func deadlineReached(
        now: Deadline, output: @autoclosure () -> Output
    ) -> Action? {
        guard let due = nextDeadline, due <= now else { return nil }
        switch state {
        case .trusted, .doubted: return ask(now, output())
        case .pinged(let asked):
            guard !hasMoved(output) else {
                state = .pinged(now)
                return nil
            }
            lookAgain(asked, now)
            return .suspect
        case .suspect(let asked, _):
            guard !hasMoved(output) else {
                state = .pinged(now)
                return .trust
            }
            guard asked.advanced(by: timeToDeath) <= now else {
                lookAgain(asked, now)
                return nil
            }
            guard isProof(output) else {
                state = .unproven
                return nil
            }
            state = .dead
            return .end
        case .unproven, .dead: return nil
        }
    }

    /// The silence after which the peer is asked now.
    private var silence: Duration? { hasStreams ? pingAfter : idlePingAfter }

    private mutating func ask(_ now: Deadline, _ output: Output) -> Action {
        note(output)
        if !output.hasPing { takenAtPing = output.taken }
        if askedAt == nil { askedAt = now }
        state = .pinged(now)
        return .ping
    }

    /// Whether a PING that is unanswered for too long shows that the peer is dead.
    private func isProof(_ output: () -> Output) -> Bool {
        guard pingTime == nil, hasHeard, hasStreams, takenBefore == nil else { return true }
        return output().taken <= takenAtPing
    }

    /// Whether bytes before the PING were taken since they were last looked at.
    private mutating func hasMoved(_ output: () -> Output) -> Bool {
        guard let takenBefore else { return false }
        let output = output()
        note(output)
        return takenBefore < output.taken
    }

    private mutating func note(_ output: Output) {
        // Once nothing is pending the PING has arrived as well.
        takenBefore = output.isPending ? output.taken : nil
    }

    /// Suspects the peer until its time of death, and looks before that while bytes may move.
    private mutating func lookAgain(_ asked: Deadline, _ now: Deadline) {
        let death = asked.advanced(by: timeToDeath)
        let next = takenBefore == nil ? death : min(death, now.advanced(by: suspectAfter))
        state = .suspect(asked, nextLook: next)
    }
}
