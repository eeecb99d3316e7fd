import ApusCore
import ApusHTTP2
import Testing

/// Row 73: whether a silent peer is alive, in times that the test makes up.
@Suite struct HTTP2LivenessTests {
    private typealias Output = HTTP2Liveness.Output

    /// A liveness with a PING after 10 s, suspicion after 2 s more, and death after 10 s.
    private struct Clock {
        var liveness: HTTP2Liveness
        private let start = Deadline(nanoseconds: 1_000_000_000_000)
        /// Seconds since the connection was established.
        var seconds = 0.0

        init(
            idlePingAfter: Duration? = nil, pingAfter: Duration? = .seconds(10),
            pingTime: Duration? = nil
        ) {
            var tuning = EngineTuning.HTTP2()
            tuning.pingAfter = pingAfter
            tuning.idlePingAfter = idlePingAfter
            tuning.suspectAfter = .seconds(2)
            tuning.deadAfter = .seconds(10)
            liveness = HTTP2Liveness(tuning, pingTime: pingTime, now: start)
        }

        var now: Deadline { start.advanced(by: .seconds(seconds)) }
        /// When it wants to be asked, in seconds; `nil` is never.
        var due: Double? {
            liveness.nextDeadline.map { Double($0.since(start).attoseconds) / 1e18 }
        }

        /// Passes time up to the next deadline, and reports what it leads to.
        mutating func next(_ output: Output = Output()) -> HTTP2Liveness.Action? {
            if let due { seconds = due }
            return liveness.deadlineReached(now: now, output: output)
        }

        mutating func open() -> HTTP2Liveness.Action? {
            liveness.streamsOpened(now: now, output: Output())
        }

        mutating func hear() -> HTTP2Liveness.Action? { liveness.bytesReceived(now: now) }

        /// A PING is acknowledged; how long it took.
        mutating func acknowledge() -> Duration? {
            _ = hear()
            return liveness.pingAcknowledged(now: now)
        }

        mutating func timeOut() -> HTTP2Liveness.Action? {
            liveness.requestTimedOut(now: now, output: Output())
        }
    }

    @Test func silenceWithStreamsLeadsToAPingThenSuspicionThenTheEnd() {
        var clock = Clock()
        #expect(clock.due == nil)
        #expect(clock.open() == nil)
        #expect(clock.due == 10)
        #expect(clock.next() == .ping)
        #expect(clock.due == 12)
        #expect(clock.next() == .suspect)
        #expect(clock.due == 20)
        #expect(clock.next() == .end)
        #expect(clock.due == nil)
    }

    @Test func anyByteIsAnAnswer() {
        var clock = Clock()
        _ = clock.open()
        #expect(clock.next() == .ping)
        clock.seconds = 11
        #expect(clock.hear() == nil)
        #expect(clock.due == 21)
        #expect(clock.next() == .ping)
        #expect(clock.next() == .suspect)
        clock.seconds = 30
        #expect(clock.hear() == .trust)
        #expect(clock.due == 40)
    }

    @Test func anAnswerIsOwedFromThePingToTheNextByte() {
        var clock = Clock(pingAfter: .seconds(1))
        _ = clock.open()
        #expect(!clock.liveness.isAnswerOwed)
        #expect(clock.next() == .ping)
        #expect(clock.liveness.isAnswerOwed)
        #expect(clock.next() == .suspect)
        #expect(clock.liveness.isAnswerOwed)
        #expect(clock.hear() == .trust)
        #expect(!clock.liveness.isAnswerOwed)
        // The next silence is over before the doubt would have come.
        #expect(clock.next() == .ping)
        #expect(clock.hear() == nil)
        #expect(clock.due == 5)
    }

    @Test func bytesMoveTheDeadlineAwayAndAnEarlyLookChangesNothing() {
        var clock = Clock()
        _ = clock.open()
        clock.seconds = 9
        #expect(clock.hear() == nil)
        #expect(clock.due == 19)
        clock.seconds = 10
        #expect(clock.liveness.deadlineReached(now: clock.now, output: Output()) == nil)
        #expect(clock.due == 19)
    }

    @Test func anIdleConnectionIsAskedOnlyWhereTheTuningSaysSo() {
        var clock = Clock()
        _ = clock.open()
        clock.liveness.streamsClosed()
        #expect(clock.due == nil)
        var asked = Clock(idlePingAfter: .seconds(30))
        #expect(asked.due == 30)
        #expect(asked.next() == .ping)
    }

    @Test func aStreamAfterALongSilenceIsOpenedWithAPing() {
        var clock = Clock()
        clock.seconds = 10
        #expect(clock.open() == .ping)
        #expect(clock.due == 12)
        // One PING at a time.
        clock.liveness.streamsClosed()
        #expect(clock.open() == nil)
    }

    @Test func anAnswerIsOwedAfterTheStreamsAreClosedToo() {
        var clock = Clock()
        _ = clock.open()
        #expect(clock.next() == .ping)
        clock.liveness.streamsClosed()
        #expect(clock.next() == .suspect)
    }

    @Test func aRequestThatTimesOutAsksAtOnceButNotAPeerThatHasJustAnswered() {
        var clock = Clock()
        _ = clock.open()
        clock.seconds = 3
        #expect(clock.timeOut() == .ping)
        #expect(clock.timeOut() == nil)
        clock.seconds = 4
        #expect(clock.hear() == nil)
        clock.seconds = 5
        #expect(clock.timeOut() == nil)
        #expect(clock.due == 6)
        // A byte ends the doubt.
        var answered = clock
        #expect(answered.hear() == nil)
        #expect(answered.due == 15)
        #expect(clock.next() == .ping)
    }

    @Test func withoutPingsNothingIsAsked() {
        var clock = Clock(pingAfter: nil)
        #expect(clock.open() == nil)
        #expect(clock.timeOut() == nil)
        #expect(clock.due == nil)
    }

    // MARK: What the peer's system acknowledges

    @Test func whatThePeerTakesBeforeThePingIsLifeAndItsEndIsNot() {
        var clock = Clock()
        _ = clock.open()
        #expect(clock.next(Output(taken: 0, isPending: true)) == .ping)
        // As long as bytes move there is no suspicion, and then there is as ever.
        for taken in 1...100 {
            #expect(clock.next(Output(taken: UInt64(taken), isPending: true)) == nil)
        }
        let moved = clock.seconds
        let stopped = Output(taken: 100, isPending: true)
        #expect(clock.next(stopped) == .suspect)
        var last: HTTP2Liveness.Action?
        while last == nil { last = clock.next(stopped) }
        #expect(last == .end)
        #expect(clock.seconds == moved + 10)
    }

    @Test func aPingThatLeavesAtOnceIsAnsweredOrNot() {
        var clock = Clock()
        _ = clock.open()
        // Bytes written after it and acknowledged prove nothing, and are ignored.
        #expect(clock.next(Output(taken: 10)) == .ping)
        #expect(clock.next(Output(taken: 20, isPending: true)) == .suspect)
        #expect(clock.next(Output(taken: 30, isPending: true)) == .end)
    }

    @Test func theTimeOfAPingBeginsWhenItHasArrived() {
        var clock = Clock()
        _ = clock.open()
        #expect(clock.next(Output(taken: 10, isPending: true)) == .ping)
        #expect(clock.next(Output(taken: 20)) == nil)
        #expect(clock.due == 14)
        #expect(clock.next(Output(taken: 30)) == .suspect)
        #expect(clock.next(Output(taken: 30)) == .end)
    }

    @Test func bytesThatMoveAgainRestoreTrustLongBeforeTheDeath() {
        var clock = Clock()
        _ = clock.open()
        #expect(clock.next(Output(taken: 10, isPending: true)) == .ping)
        #expect(clock.next(Output(taken: 10, isPending: true)) == .suspect)
        #expect(clock.due == 14)
        #expect(clock.next(Output(taken: 11, isPending: true)) == .trust)
        #expect(clock.due == 16)
    }

    // MARK: What PINGs take, and whether one proves anything (A13)

    /// What the peer's system has taken, with each PING.
    private let arrived = Output(taken: 100)

    @Test func oneUnansweredPingCondemnsNoPeerThatHasNeverAcknowledgedOne() {
        var clock = Clock()
        _ = clock.open()
        _ = clock.hear()
        #expect(clock.next(Output(taken: 50)) == .ping)
        #expect(clock.next(arrived) == .suspect)
        #expect(clock.due == 20)
        #expect(clock.next(arrived) == nil)
        #expect(clock.due == nil && clock.liveness.isAnswerOwed)
        // Late, but a sign of life; what it took gives the next one its time.
        clock.seconds = 22
        #expect(clock.hear() == .trust)
        #expect(clock.liveness.pingAcknowledged(now: clock.now) == .seconds(12))
        #expect(clock.liveness.timeToDeath == .seconds(48))
        #expect(clock.next(arrived) == .ping)
        #expect(clock.next(arrived) == .suspect)
        #expect(clock.next(arrived) == .end)
        #expect(clock.seconds == 32 + 48)
    }

    @Test func whereAPingIsUnansweredNoOtherLeavesAndItsArrivalCounts() {
        var clock = Clock()
        _ = clock.open()
        #expect(clock.next(Output(taken: 50)) == .ping)
        // A byte that is no answer, and another silence.
        _ = clock.hear()
        let unanswered = Output(taken: 67, hasPing: true)
        #expect(clock.next(unanswered) == .ping)
        #expect(clock.next(unanswered) == .suspect)
        #expect(clock.next(unanswered) == nil)
        #expect(clock.due == nil)
    }

    @Test func aPeerThatHasSentNothingIsCondemned() {
        var clock = Clock()
        _ = clock.open()
        #expect(clock.next(Output(taken: 50)) == .ping)
        #expect(clock.next(arrived) == .suspect)
        #expect(clock.next(arrived) == .end)
    }

    @Test func aPingThatDoesNotArriveCondemns() {
        var clock = Clock()
        _ = clock.open()
        _ = clock.hear()
        #expect(clock.next(Output(taken: 50)) == .ping)
        let stuck = Output(taken: 50, isPending: true)
        #expect(clock.next(stuck) == .suspect)
        #expect(clock.next(stuck) == .end)
        // Nor does one that follows bytes that are not taken.
        var late = Clock()
        _ = late.open()
        _ = late.hear()
        #expect(late.next(stuck) == .ping)
        #expect(late.next(stuck) == .suspect)
        var last: HTTP2Liveness.Action?
        while last == nil, late.due != nil { last = late.next(stuck) }
        #expect(last == .end && late.seconds == 20)
    }

    @Test func whereAPingWasAcknowledgedBeforeOneCondemns() {
        var clock = Clock()
        _ = clock.open()
        #expect(clock.next(Output(taken: 50)) == .ping)
        #expect(clock.acknowledge() == .zero)
        #expect(clock.next(Output(taken: 60)) == .ping)
        #expect(clock.next(arrived) == .suspect)
        #expect(clock.next(arrived) == .end)
        // On another connection of the way.
        var other = Clock(pingTime: .zero)
        _ = other.open()
        _ = other.hear()
        #expect(other.next(Output(taken: 50)) == .ping)
        #expect(other.next(arrived) == .suspect)
        #expect(other.next(arrived) == .end)
        // A PING for another end: that it was answered is known, and not how long it took.
        var measured = Clock()
        #expect(measured.acknowledge() == nil)
        _ = measured.open()
        #expect(measured.next(Output(taken: 50)) == .ping)
        #expect(measured.next(arrived) == .suspect)
        #expect(measured.next(arrived) == .end)
    }

    @Test func withoutStreamsTheEndCostsNothing() {
        var clock = Clock(idlePingAfter: .seconds(30))
        _ = clock.hear()
        #expect(clock.next(Output(taken: 50)) == .ping)
        #expect(clock.next(arrived) == .suspect)
        #expect(clock.next(arrived) == .end)
        var closed = Clock()
        _ = closed.open()
        _ = closed.hear()
        #expect(closed.next(Output(taken: 50)) == .ping)
        #expect(closed.next(arrived) == .suspect)
        #expect(closed.next(arrived) == nil)
        closed.seconds = 100
        closed.liveness.streamsClosed()
        #expect(closed.liveness.deadlineReached(now: closed.now, output: arrived) == .end)
    }

    @Test(arguments: [
        // What PINGs take on the way, and the time to death.
        (0.05, 10.0), (2.5, 10), (3, 12), (12, 48), (15, 60), (100, 60),
    ])
    func theTimeToDeathIsFourTimesWhatPingsTake(pingTime: Double, death: Double) {
        let clock = Clock(pingTime: .seconds(pingTime))
        #expect(clock.liveness.timeToDeath == .seconds(death))
    }

    @Test func aLongerTimeCountsAtOnceAndShorterOnesByAnEighth() {
        #expect(HTTP2Liveness.pingTime(nil, .seconds(2)) == .seconds(2))
        #expect(HTTP2Liveness.pingTime(.seconds(2), .seconds(10)) == .seconds(10))
        #expect(HTTP2Liveness.pingTime(.seconds(10), .seconds(2)) == .seconds(9))
    }

    @Test func aByteBeforeTheAcknowledgementDoesNotShortenWhatIsMeasured() {
        var clock = Clock()
        _ = clock.open()
        #expect(clock.next(Output(taken: 50)) == .ping)
        clock.seconds = 11
        #expect(clock.hear() == nil)
        // It is still unanswered when the next one is due.
        #expect(clock.next(arrived) == .ping)
        clock.seconds = 22
        #expect(clock.acknowledge() == .seconds(12))
    }
}
