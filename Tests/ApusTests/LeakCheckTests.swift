import Glibc
import Testing

/// What the leak checker needs of a whole run; `.ci/sanitize address` makes one.
@Suite struct LeakCheckTests {
    /// A thread that is on its way out when leaks are looked for is not searched, and what
    /// libdispatch and OpenSSL keep for it alone, and free as it ends, is then reported as lost.
    /// An idle one ends after five seconds.
    @Test(.enabled(if: isSanitized, "only a leak checker minds"))
    func idleThreadsEndBeforeLeaksAreLookedFor() {
        #expect(atexit { sleep(8) } == 0)
    }
}
