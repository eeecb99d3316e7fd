package import ApusCore
import CApusLinux

/// The one place that reads a clock; below the transport, instants are arguments.
extension Deadline {
    /// The present instant on CLOCK_MONOTONIC, which no change of the wall clock moves.
    package static func now() -> Deadline { Deadline(nanoseconds: capus_monotonic_now()) }
}
