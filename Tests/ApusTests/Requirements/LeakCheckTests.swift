import Glibc
import Testing

/// What the leak checker needs of a whole run; `.ci/sanitize address` makes one.
@Suite struct LeakCheckTests {
    /// Waits, because a thread that is on its way out when leaks are looked for is not searched.
    ///
    /// What libdispatch and OpenSSL keep for it alone, and free as it ends, is reported as lost
    /// then. An idle thread ends after five seconds.
    @Test(.enabled(if: isSanitized, "only a leak checker minds"))
    func idleThreadsEndBeforeLeaksAreLookedFor() {
        #expect(atexit { sleep(20) } == 0)
    }
}
