package import ApusCore
import CApusLinux
import Glibc

/// The one place that reads a clock; below the transport, instants are arguments.
extension Deadline {
    /// The present instant on CLOCK_MONOTONIC, which no change of the wall clock moves.
    package static func now() -> Deadline { Deadline(nanoseconds: capus_monotonic_now()) }
}

/// The processor's time of the calling thread.
package enum ThreadTime {
    /// What the thread has spent since it began.
    package static func spent() -> Duration {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
