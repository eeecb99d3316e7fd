import ApusConnection
import ApusCore
import Testing

/// Reads with deadlines, with instants made by hand.
@Suite struct BodyReaderTests {
    /// By reference, so that each step can be expected where it is taken.
    private final class Books {
        private var reader = BodyReader()

        var isWaiting: Bool { reader.isWaiting }
        func isLate(_ now: Deadline) -> Bool { reader.isLate(now) }
        func mayWait(until deadline: Deadline?, now: Deadline) -> Bool {
            reader.mayWait(until: deadline, now: now)
        }
        func tookSomething() { reader.tookSomething() }
        func nextTimer() -> Deadline? { reader.nextTimer() }
        func timerFired(now: Deadline) -> Deadline? { reader.timerFired(now: now) }
    }

    private func at(_ seconds: Int64) -> Deadline { Deadline(nanoseconds: seconds * 1_000_000_000) }

    @Test func aReadWithoutADeadlineWaitsForEver() {
        let books = Books()
        #expect(books.mayWait(until: nil, now: at(0)))
        #expect(books.isWaiting)
        #expect(books.nextTimer() == nil)
        #expect(!books.isLate(at(1_000_000)))
        books.tookSomething()
        #expect(!books.isWaiting)
    }

    @Test func aDeadlineThatIsOverWaitsForNothing() {
        let books = Books()
        #expect(!books.mayWait(until: at(1), now: at(1)))
        #expect(!books.isWaiting)
        #expect(books.mayWait(until: at(2), now: at(1)))
    }

    @Test func oneTimerServesManyReads() {
        let books = Books()
        #expect(books.mayWait(until: at(15), now: at(0)))
        #expect(books.nextTimer() == at(15))
        for second in 1...14 as ClosedRange<Int64> {
            books.tookSomething()
            #expect(books.mayWait(until: at(15 + second), now: at(second)))
            #expect(books.nextTimer() == nil, "the timer at 15 looks again")
        }
        #expect(books.timerFired(now: at(15)) == at(29))
        #expect(books.timerFired(now: at(29)) == nil)
        #expect(books.isWaiting && books.isLate(at(29)))
    }

    @Test func anEarlierDeadlineSetsTheTimerAnew() {
        let books = Books()
        #expect(books.mayWait(until: at(15), now: at(0)))
        #expect(books.nextTimer() == at(15))
        books.tookSomething()
        #expect(books.mayWait(until: at(3), now: at(1)))
        #expect(books.nextTimer() == at(3))
        books.tookSomething()
        #expect(books.timerFired(now: at(3)) == nil, "no reader waits")
        #expect(books.mayWait(until: at(20), now: at(4)))
        #expect(books.nextTimer() == at(20))
    }
}
