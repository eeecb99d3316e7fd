package import ApusCore
import CApusLinux

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The one place that reads a clock; below the transport, instants are arguments.
extension Deadline {
    /// The current instant on CLOCK_MONOTONIC, which changes of the wall clock do not affect.
    package static func now() -> Deadline { Deadline(nanoseconds: capus_monotonic_now()) }

    /// The same as of the system's last tick, some milliseconds ago, at a fraction of the cost.
    package static func coarseNow() -> Deadline {
        Deadline(nanoseconds: capus_monotonic_coarse_now())
    }
}

/// Two clocks at one instant: one stops while the system sleeps, the other does not.
package struct ClockPair: Sendable, Hashable {
    /// On CLOCK_MONOTONIC.
    package let awake: Deadline
    /// On CLOCK_BOOTTIME.
    package let whole: Deadline

    package init(awake: Deadline, whole: Deadline) {
        self.awake = awake
        self.whole = whole
    }

    package static func now() -> ClockPair {
        ClockPair(awake: .now(), whole: Deadline(nanoseconds: capus_boottime_now()))
    }
}

/// The CPU time of the calling thread.
package enum ThreadTime {
    /// The CPU time of the thread since it began.
    package static func spent() -> Duration {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
