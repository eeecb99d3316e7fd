import ApusSocket
import Glibc
import Testing

/// The lock lets one thread in at a time.
@Suite(.timeLimit(.minutes(5))) struct LockTests {
    private struct Refusal: Error {}

    @Test func noCountIsLostBetweenThreads() throws {
        let lock = Lock()
        // Guarded by the lock alone.
        let count = LoopBound(0)
        try onThreads(8) { _ in
            for _ in 0..<5000 { lock.withLock { count.value += 1 } }
        }
        #expect(lock.withLock { count.value } == 40_000)
    }

    /// Those that have looked in vain sleep, and each of them is woken in its turn.
    @Test func everyThreadThatSleepsGetsItsTurn() throws {
        let lock = Lock()
        let turns = LoopBound(0)
        try onThreads(8) { _ in
            for _ in 0..<20 {
                lock.withLock {
                    turns.value += 1
                    usleep(200)
                }
            }
        }
        #expect(lock.withLock { turns.value } == 160)
    }

    @Test func theBodysResultAndErrorComeThroughAndTheLockIsFreed() {
        let lock = Lock()
        #expect(lock.withLock { 7 } == 7)
        #expect(throws: Refusal.self) {
            try lock.withLock { () throws(Refusal) in throw Refusal() }
        }
        #expect(lock.withLock { 8 } == 8)
    }
}
