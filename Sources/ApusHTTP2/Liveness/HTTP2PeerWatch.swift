package import ApusCore

/// What time shows of a connection's peer: whether it may get new streams, and whether it is dead.
///
/// Joins `HTTP2Liveness` and `HTTP2OutputWatch` with the deadlines of SETTINGS, both ways.
package struct HTTP2PeerWatch: Sendable {
    /// What the connection has to do.
    package enum Action: Sendable, Hashable {
        /// Send a PING.
        case ping
        /// Open no new streams.
        case suspect
        /// Open new streams again: no doubt is left.
        case trust
        /// End with a timeout.
        case end(Cause)
    }

    /// Why a connection ends.
    package enum Cause: Sendable, Hashable {
        /// A PING was not answered in time (`HTTP2Liveness.timeToDeath`).
        case noAnswer
        /// The peer has taken nothing for `http2.writeTimeout`.
        case noProgress
        /// Our SETTINGS were not acknowledged within `http2.settingsTimeout` (RFC 9113, section
        /// 6.5.3).
        case noAcknowledgement
    }

    /// Why the peer should get no new streams.
    private enum Doubt {
        /// A PING is unanswered.
        case silence
        /// It takes nothing of what is sent.
        case stall
        /// It may not have met yet that so many streams were cancelled.
        case cancels
        /// Its SETTINGS have not come, with which it should have begun.
        case settings
    }

    private let suspectAfter: Duration
    private let deadAfter: Duration
    private let writeTimeout: Duration?
    private let settingsTimeout: Duration?
    private var liveness: HTTP2Liveness
    private var outputWatch: HTTP2OutputWatch
    private var doubts: Set<Doubt> = []
    /// When our SETTINGS have to be acknowledged; `nil` before they leave, and afterwards.
    private var acknowledgementDue: Deadline?
    /// When a peer that has sent no SETTINGS becomes suspect: to dial is better than to wait.
    private var peerSettingsDue: Deadline?

    /// The connection is established at `now`, and idle.
    ///
    /// - Parameter pingTime: how long PINGs take on the way; `nil` while none was acknowledged.
    package init(_ tuning: EngineTuning.HTTP2, pingTime: Duration? = nil, now: Deadline) {
        suspectAfter = tuning.suspectAfter
        deadAfter = tuning.deadAfter
        writeTimeout = tuning.writeTimeout
        settingsTimeout = tuning.settingsTimeout
        liveness = HTTP2Liveness(tuning, pingTime: pingTime, now: now)
        outputWatch = HTTP2OutputWatch(tuning)
    }

    /// When the peer last answered a PING; `nil` when it never did.
    package var lastAnswer: Deadline? { liveness.lastAnswer }

    /// Whether a PING is unanswered; the next bytes change `nextDeadline` in either direction.
    package var isAnswerOwed: Bool { liveness.isAnswerOwed }

    /// Why a connection ends, with the limit that says so.
    package func message(for cause: Cause) -> String {
        let (what, limit, option): (String, Duration?, String) =
            switch cause {
            case .noAnswer: ("no answer to a PING within", liveness.timeToDeath, deathOption)
            case .noProgress:
                ("the peer took nothing of what was sent for", writeTimeout, "http2.writeTimeout")
            case .noAcknowledgement:
                (
                    "the peer has not acknowledged our SETTINGS within", settingsTimeout,
                    "http2.settingsTimeout"
                )
            }
        return "\(what) \((limit ?? .zero).words) (\(option))"
    }

    /// Where the time to death comes from.
    private var deathOption: String {
        liveness.timeToDeath > deadAfter
            ? "by the way's PING times; http2.deadAfter is \(deadAfter.words)" : "http2.deadAfter"
    }

    /// When `deadlineReached` is to be called; `nil` is never.
    ///
    /// Bytes that are received move it to a later instant, unless they answer a PING.
    package var nextDeadline: Deadline? {
        earlier(
            earlier(liveness.nextDeadline, outputWatch.nextDeadline),
            earlier(acknowledgementDue, peerSettingsDue))
    }

    private func earlier(_ first: Deadline?, _ second: Deadline?) -> Deadline? {
        guard let first, let second else { return first ?? second }
        return min(first, second)
    }

    // MARK: SETTINGS

    /// Our SETTINGS leave.
    package mutating func settingsSent(now: Deadline, hasPeerSettings: Bool) {
        acknowledgementDue = settingsTimeout.map { now.advanced(by: $0) }
        if !hasPeerSettings { peerSettingsDue = now.advanced(by: suspectAfter) }
    }

    /// The peer's SETTINGS have come.
    package mutating func settingsReceived() -> Action? {
        peerSettingsDue = nil
        return trust(.settings)
    }

    // MARK: Streams

    /// The peer has sent something.
    package mutating func bytesReceived(now: Deadline) -> Action? {
        guard let action = liveness.bytesReceived(now: now) else { return nil }
        return judge(action)
    }

    /// A PING was acknowledged; see `HTTP2Liveness.pingAcknowledged`.
    package mutating func pingAcknowledged(now: Deadline) -> Duration? {
        liveness.pingAcknowledged(now: now)
    }

    /// The first stream was opened; see `HTTP2Liveness.streamsOpened`.
    package mutating func streamsOpened(
        now: Deadline, output: @autoclosure () -> HTTP2Liveness.Output
    ) -> Action? {
        liveness.streamsOpened(now: now, output: output()).flatMap { judge($0) }
    }

    /// No stream is open any more.
    package mutating func streamsClosed() {
        liveness.streamsClosed()
    }

    /// A request ran out of time; see `HTTP2Liveness.requestTimedOut`.
    package mutating func requestTimedOut(
        now: Deadline, output: @autoclosure () -> HTTP2Liveness.Output
    ) -> Action? {
        liveness.requestTimedOut(now: now, output: output()).flatMap { judge($0) }
    }

    /// Opens no streams where those that were cancelled may still be under way to the peer.
    package mutating func cancelsCounted(areMany: Bool) -> Action? {
        if areMany { return doubt(.cancels) }
        return doubts.isEmpty ? nil : trust(.cancels)
    }

    // MARK: Output

    /// Whether flushes that leave nothing need not be reported.
    package var isOutputFlowing: Bool { outputWatch.isFlowing }

    /// A flush is over; see `HTTP2OutputWatch.flushed`.
    package mutating func flushed(unsent: Int, hasMoved: Bool, now: Deadline) -> Action? {
        let action = outputWatch.flushed(unsent: unsent, hasMoved: hasMoved, now: now)
        return action.flatMap { judge($0) }
    }

    // MARK: Time

    /// Looks at what the time has brought; called too early, it changes nothing.
    ///
    /// - Parameters:
    ///   - areSettingsAcknowledged: whether ours are.
    ///   - pending: bytes that the peer has not taken.
    package mutating func deadlineReached(
        now: Deadline, areSettingsAcknowledged: Bool,
        output: @autoclosure () -> HTTP2Liveness.Output, pending: @autoclosure () -> Int
    ) -> [Action] {
        var actions: [Action] = []
        if let due = acknowledgementDue, due <= now {
            acknowledgementDue = nil
            if !areSettingsAcknowledged { actions.append(.end(.noAcknowledgement)) }
        }
        if let due = peerSettingsDue, due <= now {
            peerSettingsDue = nil
            if let action = doubt(.settings) { actions.append(action) }
        }
        let silence = liveness.deadlineReached(now: now, output: output())
        if let action = silence.flatMap({ judge($0) }) { actions.append(action) }
        let stall = outputWatch.deadlineReached(now: now, pending: pending())
        if let action = stall.flatMap({ judge($0) }) { actions.append(action) }
        return actions
    }

    // MARK: Doubts

    private mutating func judge(_ action: HTTP2Liveness.Action) -> Action? {
        switch action {
        case .ping: .ping
        case .suspect: doubt(.silence)
        case .trust: trust(.silence)
        case .end: .end(.noAnswer)
        }
    }

    private mutating func judge(_ action: HTTP2OutputWatch.Action) -> Action? {
        switch action {
        case .suspect: doubt(.stall)
        case .trust: trust(.stall)
        case .end: .end(.noProgress)
        }
    }

    private mutating func doubt(_ doubt: Doubt) -> Action? {
        doubts.insert(doubt).inserted && doubts.count == 1 ? .suspect : nil
    }

    private mutating func trust(_ doubt: Doubt) -> Action? {
        doubts.remove(doubt) != nil && doubts.isEmpty ? .trust : nil
    }
}
