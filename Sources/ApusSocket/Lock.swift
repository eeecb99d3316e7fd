package import Glibc

/// The one kind of lock in the house: a plain pthread mutex.
///
/// Not `Synchronization.Mutex`, whose futex code the thread sanitizer cannot see. No lock is ever
/// held across I/O, a callback or the resumption of a continuation.
@safe
package final class Lock: @unchecked Sendable {
    /// Invariant: initialised for as long as this object lives, and never moved.
    @usableFromInline
    let mutex: UnsafeMutablePointer<pthread_mutex_t>

    @inlinable
    package init() {
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        let result = unsafe pthread_mutex_init(mutex, nil)
        precondition(result == 0, "a mutex with default attributes always initialises")
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    @inlinable
    package func withLock<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try body()
    }
}
