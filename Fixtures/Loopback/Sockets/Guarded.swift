import CApusLinux

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A value protected by a mutex, with a condition to wait on.
///
/// It is pthread's own lock, not `Synchronization.Mutex`: the thread sanitizer understands it.
final class Guarded<Value: Sendable>: @unchecked Sendable {
    // Invariant: both live as long as this object, and `value` is accessed only between
    // `pthread_mutex_lock` and `pthread_mutex_unlock`.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var value: Value

    init(_ value: Value) {
        self.value = value
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        condition = .allocate(capacity: 1)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Runs `body` with exclusive access to the value.
    func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }

    /// Runs `body` with exclusive access to the value, then wakes all waiters.
    func change<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
        return try body(&value)
    }

    /// Waits until `body` gives a result, or `deadline` on the monotonic clock has passed.
    ///
    /// A deadline of `nil` waits without limit; a result of `nil` means that the deadline has
    /// passed.
    func wait<Result>(
        until deadline: Int64?, for body: (inout Value) -> Result?
    ) -> Result? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let result = body(&value) { return result }
            guard let deadline else {
                pthread_cond_wait(condition, mutex)
                continue
            }
            guard Monotonic.now() < deadline else { return nil }
            var instant = Monotonic.timespec(deadline)
            pthread_cond_timedwait(condition, mutex, &instant)
        }
    }
}

/// The monotonic clock, in nanoseconds.
enum Monotonic {
    static func now() -> Int64 { capus_monotonic_now() }

    static func timespec(_ nanoseconds: Int64) -> Glibc.timespec {
        Glibc.timespec(
            tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    }

    /// The instant `duration` from now.
    static func after(_ duration: Duration) -> Int64 {
        now() &+ nanoseconds(duration)
    }

    static func nanoseconds(_ duration: Duration) -> Int64 {
        let parts = duration.components
        let whole = parts.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return whole.overflow
            ? Int64.max / 4 : whole.partialValue &+ parts.attoseconds / 1_000_000_000
    }
}
