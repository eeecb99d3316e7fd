import ApusConnection
import ApusCore
import Testing

/// Which wait is over, and which silence is reported.
@Suite(.timeLimit(.minutes(5))) struct ExchangeWatchTests {
    private typealias Limits = ExchangeWatch.Limits
    private typealias Findings = ExchangeWatch.Findings

    private static func at(_ seconds: Double) -> Deadline {
        Deadline(nanoseconds: Int64(seconds * 1_000_000_000))
    }

    private func watch(
        writeIdle: Duration? = nil, response: Duration? = nil, firstByte: Duration? = nil,
        readIdle: Duration? = nil, notice: Duration? = nil
    ) throws -> ExchangeWatch {
        let limits = try #require(
            Limits(
                writeIdle: writeIdle, response: response, firstByte: firstByte, readIdle: readIdle,
                notice: notice))
        return ExchangeWatch(limits, now: Self.at(0))
    }

    @Test func noLimitIsNoWatch() {
        #expect(Limits() == nil)
        #expect(Limits(notice: .seconds(1)) != nil)
    }

    @Test func theResponseIsAwaitedFromTheLastByteOfTheRequest() throws {
        var watch = try watch(response: .seconds(10))
        // The upload takes a minute.
        for second in 1...60 {
            let verdict = watch.look(
                Findings(taken: UInt64(second), isBlocked: true), now: Self.at(Double(second)))
            #expect(verdict.over == nil)
        }
        let sent = Findings(sent: Self.at(60.5), taken: 70)
        #expect(watch.look(sent, now: Self.at(61)).nextLook == Self.at(70.5))
        #expect(watch.look(sent, now: Self.at(70.4)).over == nil)
        #expect(watch.look(sent, now: Self.at(70.5)).over == .response)
    }

    /// The last byte was given to the connection, and the peer takes it later.
    @Test func theResponseIsAwaitedSinceTheSocketTookTheRequest() throws {
        var watch = try watch(response: .seconds(10))
        let given = Findings(sent: Self.at(1), taken: 5, isBlocked: true)
        #expect(watch.look(given, now: Self.at(8)).over == nil)
        #expect(watch.look(given, now: Self.at(12)).over == nil)
        let taken = Findings(sent: Self.at(1), taken: 9)
        #expect(watch.look(taken, now: Self.at(21.9)).over == nil)
        #expect(watch.look(taken, now: Self.at(22)).over == .response)
    }

    @Test func aHeadBeforeTheEndOfTheUploadIsInTime() throws {
        var watch = try watch(writeIdle: .seconds(4), response: .seconds(4))
        let early = Findings(taken: 5, isBlocked: true, head: Self.at(1), firstByte: Self.at(2))
        for second in 1...20 {
            #expect(watch.look(early, now: Self.at(Double(second))).over == nil)
        }
    }

    @Test func theFirstByteIsAwaitedFromTheHead() throws {
        var watch = try watch(response: .seconds(1), firstByte: .seconds(5))
        let head = Findings(sent: Self.at(0), head: Self.at(0.9))
        #expect(watch.look(head, now: Self.at(5.8)).over == nil)
        #expect(watch.look(head, now: Self.at(5.9)).over == .firstByte)
        // Then its limit is over, however long the body pauses.
        var begun = try self.watch(firstByte: .seconds(5))
        let body = Findings(
            sent: Self.at(0), head: Self.at(1), firstByte: Self.at(2), bodyAwaited: Self.at(2))
        #expect(begun.look(body, now: Self.at(1000)).over == nil)
    }

    /// What a look finds of a body that is awaited.
    private func body(from head: Double, awaitedSince second: Double?) -> Findings {
        Findings(
            sent: Self.at(0), head: Self.at(head), firstByte: Self.at(head),
            bodyAwaited: second.map(Self.at))
    }

    @Test func row20_aBodyAfterALateHeadHasTheWholeTime() throws {
        // The head at 4.9 s; the timer of the request's beginning comes at 5 s.
        var watch = try watch(readIdle: .seconds(5))
        let head = Findings(sent: Self.at(0), head: Self.at(4.9))
        let verdict = watch.look(head, now: Self.at(5))
        #expect(verdict.over == nil)
        #expect(verdict.nextLook == Self.at(9.9))
        #expect(watch.look(head, now: Self.at(9.9)).over == .readIdle)
    }

    @Test func row20_silenceEndsOneTimeoutAfterTheLastByteAndNotLater() throws {
        var watch = try watch(readIdle: .seconds(5))
        let silent = body(from: 0, awaitedSince: 0.1)
        let verdict = watch.look(silent, now: Self.at(5))
        #expect(verdict.over == nil)
        #expect(verdict.nextLook == Self.at(5.1))
        #expect(watch.look(silent, now: Self.at(5.1)).over == .readIdle)
    }

    @Test func row20_eachByteResetsIt() throws {
        var watch = try watch(readIdle: .seconds(5))
        for second in stride(from: 4.0, through: 80, by: 4) {
            let verdict = watch.look(
                body(from: 0, awaitedSince: second), now: Self.at(second + 4.9))
            #expect(verdict.over == nil)
            #expect(verdict.nextLook == Self.at(second + 5))
        }
    }

    @Test func row20_silenceDoesNotCountBeforeTheHead() throws {
        var watch = try watch(readIdle: .seconds(5))
        let verdict = watch.look(Findings(sent: Self.at(0)), now: Self.at(100))
        #expect(verdict.over == nil)
        #expect(verdict.nextLook == Self.at(105))
    }

    @Test func row20_aSlowConsumerIsNotThePeersSilence() throws {
        var watch = try watch(readIdle: .seconds(5))
        // It does not take what has come.
        let slow = watch.look(body(from: 0, awaitedSince: nil), now: Self.at(5))
        #expect(slow.over == nil)
        #expect(slow.nextLook == Self.at(10))
        let awaited = body(from: 0, awaitedSince: 7)
        #expect(watch.look(awaited, now: Self.at(10)).over == nil)
        #expect(watch.look(awaited, now: Self.at(12)).over == .readIdle)
    }

    @Test func theFirstByteHasItsOwnLimitBesideThatOfTheSilence() throws {
        var watch = try watch(firstByte: .seconds(20), readIdle: .seconds(5))
        let head = Findings(sent: Self.at(0), head: Self.at(1))
        #expect(watch.look(head, now: Self.at(20.9)).over == nil)
        #expect(watch.look(head, now: Self.at(21)).over == .firstByte)
    }

    @Test func aPeerThatTakesNothingIsLate() throws {
        var watch = try watch(writeIdle: .seconds(4))
        #expect(watch.firstLook == Self.at(1))
        var now = 0.0
        // It takes something before each look: in time for ever.
        for step in 1...100 {
            now = Double(step)
            let verdict = watch.look(
                Findings(taken: UInt64(step), isBlocked: true), now: Self.at(now))
            #expect(verdict.over == nil && verdict.stalled == nil)
            #expect(verdict.nextLook == Self.at(now + 1))
        }
        let stuck = Findings(taken: 100, isBlocked: true)
        for step in 1...3 {
            #expect(watch.look(stuck, now: Self.at(now + Double(step))).over == nil)
        }
        #expect(watch.look(stuck, now: Self.at(now + 4)).over == .writeIdle)
    }

    @Test func aSlowProducerIsNotThePeersSilence() throws {
        var watch = try watch(writeIdle: .seconds(4), notice: .seconds(2))
        for second in 1...100 {
            let verdict = watch.look(Findings(taken: 7), now: Self.at(Double(second)))
            #expect(verdict.over == nil && verdict.stalled == nil)
        }
        // What is blocked from then on has its whole time.
        let blocked = Findings(taken: 7, isBlocked: true)
        #expect(watch.look(blocked, now: Self.at(101)).over == nil)
        #expect(watch.look(blocked, now: Self.at(104.9)).over == nil)
        #expect(watch.look(blocked, now: Self.at(105)).over == .writeIdle)
    }

    @Test func eachSilenceIsReportedOnceWhereverItFalls() throws {
        var watch = try watch(notice: .seconds(4))
        var reports: [ExchangeWatch.Stall] = []
        func look(_ findings: Findings, from start: Int, to end: Int) {
            for second in start..<end {
                let verdict = watch.look(findings, now: Self.at(Double(second)))
                #expect(verdict.over == nil)
                if let stall = verdict.stalled { reports.append(stall) }
            }
        }
        look(Findings(taken: 1, isBlocked: true), from: 1, to: 20)
        look(Findings(sent: Self.at(20), taken: 2), from: 20, to: 40)
        look(Findings(sent: Self.at(20), taken: 2, head: Self.at(40)), from: 40, to: 60)
        var body = Findings(
            sent: Self.at(20), taken: 2, head: Self.at(40), firstByte: Self.at(60),
            bodyAwaited: Self.at(60))
        look(body, from: 60, to: 80)
        body.bodyAwaited = nil
        look(body, from: 80, to: 100)
        body.bodyAwaited = Self.at(100)
        look(body, from: 100, to: 120)
        #expect(
            reports.map(\.wait) == [.writeIdle, .response, .firstByte, .readIdle, .readIdle])
        #expect(reports.allSatisfy { $0.silence == .seconds(4) })
    }

    @Test func theNextLookIsNeverAfterALimit() throws {
        var watch = try watch(response: .seconds(3), firstByte: .seconds(5), notice: .seconds(100))
        let verdict = watch.look(Findings(sent: Self.at(1)), now: Self.at(1))
        #expect(verdict.nextLook == Self.at(4))
        // A head that comes right after a look has its limit looked at in time.
        let next = watch.look(Findings(sent: Self.at(1), head: Self.at(1.1)), now: Self.at(4))
        #expect(next.nextLook == Self.at(6.1))
    }
}
