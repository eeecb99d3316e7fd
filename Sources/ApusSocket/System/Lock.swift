package import Glibc

/// The only kind of lock in this package: a plain pthread mutex.
///
/// `Synchronization.Mutex` is not used, since the thread sanitizer cannot see its futex code. No
/// lock is ever held across I/O, a callback or the resumption of a continuation.
@safe
package struct Lock: @unchecked Sendable {
    /// The mutex, in the storage's own allocation.
    ///
    /// Invariant: initialised as long as the storage exists, and never moved.
    package let storage: LockStorage

    package init() {
        storage = LockStorage.make()
    }

    package func withLock<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe storage.withMutex { _ = unsafe pthread_mutex_lock($0) }
        defer { unsafe storage.withMutex { _ = unsafe pthread_mutex_unlock($0) } }
        return try body()
    }
}

/// One mutex, and nothing else.
package final class LockStorage: ManagedBuffer<Void, pthread_mutex_t> {
    package static func make() -> LockStorage {
        let made = create(minimumCapacity: 1) { _ in () }
        let storage = unsafe unsafeDowncast(made, to: LockStorage.self)
        unsafe storage.withMutex { mutex in
            unsafe mutex.initialize(to: pthread_mutex_t())
            let result = unsafe pthread_mutex_init(mutex, nil)
            precondition(result == 0, "a mutex with default attributes always initialises")
        }
        return storage
    }

    @unsafe
    func withMutex(_ body: (UnsafeMutablePointer<pthread_mutex_t>) -> Void) {
        unsafe withUnsafeMutablePointerToElements { unsafe body($0) }
    }

    deinit {
        unsafe withMutex { _ = unsafe pthread_mutex_destroy($0) }
    }
}
