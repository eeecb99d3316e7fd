package import ApusCore
import CApusLinux

extension Deadline {
    /// The present instant on CLOCK_MONOTONIC, which no change of the wall clock moves.
    package static var now: Deadline { Deadline(nanoseconds: capus_monotonic_now()) }
}
