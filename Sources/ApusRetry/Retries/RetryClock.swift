#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The time of the layers: a monotonic clock, its sleep, and the time of day.
///
/// The layers read time only here, so a test can give them instants of its own and never wait.
public struct RetryClock: Sendable {
    /// The current instant.
    package let now: @Sendable () -> ContinuousClock.Instant
    /// Seconds since 1970, for a `Retry-After` that is a date.
    package let wallTime: @Sendable () -> Int64
    /// Waits until an instant; throws when its task is cancelled.
    package let sleep: @Sendable (ContinuousClock.Instant) async throws -> Void

    /// Creates the system's clock.
    public init() {
        now = { .now }
        wallTime = { Int64(time(nil)) }
        sleep = { try await Task.sleep(until: $0, clock: .continuous) }
    }

    /// Creates a clock from functions, as tests do.
    ///
    /// - Parameters:
    ///   - now: the current instant.
    ///   - wallTime: seconds since 1970.
    ///   - sleep: waits until an instant, and throws at once when its task is cancelled.
    public init(
        now: @escaping @Sendable () -> ContinuousClock.Instant,
        wallTime: @escaping @Sendable () -> Int64,
        sleep: @escaping @Sendable (ContinuousClock.Instant) async throws -> Void
    ) {
        self.now = now
        self.wallTime = wallTime
        self.sleep = sleep
    }
}
