import ApusCore
import ApusPool
import Testing

/// When a wait for a connection is over, and which of its limits says so.
@Suite struct WaitClockTests {
    private func at(_ seconds: Int) -> Deadline {
        Deadline(nanoseconds: Int64(seconds) * 1_000_000_000)
    }

    private func clock(
        acquire: Int? = nil, connect: Int? = nil,
        whole: (deadline: Deadline, phase: TransportError.Phase)? = nil
    ) -> WaitClock {
        WaitClock(
            started: at(100), acquireTimeout: acquire.map { .seconds($0) },
            connectTimeout: connect.map { .seconds($0) }, whole: whole)
    }

    @Test func theQueuesTimeEndsAWaitInTheQueue() {
        let clock = clock(acquire: 10)
        #expect(clock.firstLook == at(110))
        #expect(clock.look(now: at(109), dial: nil) == .lasts(next: at(110), isOverdue: false))
        #expect(clock.look(now: at(110), dial: nil) == .over(.pool))
    }

    @Test func theQueuesTimeEndsNoDialAndCountsOnceItIsOver() {
        let clock = clock(acquire: 10)
        let dial = WaitClock.Dial(began: at(100))
        #expect(clock.look(now: at(110), dial: dial) == .lasts(next: nil, isOverdue: true))
        #expect(clock.look(now: at(112), dial: nil) == .over(.pool))
    }

    @Test(arguments: [100, 104, nil])
    func theRequestsPatienceWithADialCountsFromItsBeginning(_ began: Int?) {
        let clock = clock(acquire: 60, connect: 3)
        let dial = WaitClock.Dial(began: began.map(at))
        let end = at((began ?? 100) + 3)
        #expect(clock.firstLook == at(103))
        #expect(
            clock.look(now: at(102), dial: dial)
                == .lasts(next: min(end, at(160)), isOverdue: false)
        )
        #expect(clock.look(now: end, dial: dial) == .over(.connect))
    }

    @Test func aDialThatBeganBeforeTheWaitHasTheWholePatience() {
        let clock = clock(connect: 3)
        let dial = WaitClock.Dial(began: at(90))
        #expect(clock.look(now: at(102), dial: dial) == .lasts(next: at(103), isOverdue: false))
        #expect(clock.look(now: at(103), dial: dial) == .over(.connect))
    }

    @Test func inTheQueueTheDialsTimeDoesNotRun() {
        let clock = clock(acquire: 60, connect: 3)
        #expect(clock.look(now: at(103), dial: nil) == .lasts(next: at(106), isOverdue: false))
        let dial = WaitClock.Dial(began: at(105))
        #expect(clock.look(now: at(106), dial: dial) == .lasts(next: at(108), isOverdue: false))
        #expect(clock.look(now: at(108), dial: dial) == .over(.connect))
    }

    @Test(arguments: [TransportError.Phase.head, .total])
    func theRequestsOwnDeadlineEndsEither(_ phase: TransportError.Phase) {
        let clock = clock(acquire: 10, connect: 10, whole: (at(105), phase))
        #expect(clock.firstLook == at(105))
        for dial in [nil, WaitClock.Dial(began: at(100))] {
            #expect(clock.look(now: at(105), dial: dial) == .over(phase))
        }
    }

    @Test func withoutLimitsThereIsNothingToLookAt() {
        #expect(clock().firstLook == nil)
        #expect(clock().look(now: at(900), dial: nil) == .lasts(next: nil, isOverdue: false))
    }
}
