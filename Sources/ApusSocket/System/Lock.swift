import CApusLinux
public import Synchronization

/// The only kind of lock in this package: a mutex of one word, within its owner's memory.
///
/// A free lock costs one atomic operation to take and one to give back. A thread that finds it held
/// looks again for about a microsecond, and then sleeps until a holder wakes it (futex(2)).
///
/// It is not `Synchronization.Mutex`, whose code the thread sanitizer cannot see, nor a pthread
/// mutex, which needs an allocation of its own. No lock is ever held across I/O, a callback or the
/// resumption of a continuation; taking a lock twice on one thread never ends.
///
/// It is `public` for the compiler alone, which makes nothing of a `package` function part of
/// another target's code: a request takes a dozen locks.
public struct Lock: ~Copyable, Sendable {
    /// Looks at a held lock before sleeping.
    private static let looks = 64

    /// 0 while no thread holds the lock, 1 while one does, 2 while one does and others may sleep.
    ///
    /// Invariant: the kernel knows its address while a thread sleeps, and an atomic is never moved.
    @usableFromInline let word = Atomic<UInt32>(0)

    /// Creates a lock that no thread holds.
    @inlinable
    public init() {}

    /// Runs `body` with the lock held, and returns or throws what it does.
    @inlinable
    public func withLock<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        if !take() { lockSlowly() }
        defer { unlock() }
        return try body()
    }

    /// Takes the lock if it is free; it may fail to even then.
    @inlinable
    func take() -> Bool {
        word.weakCompareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
    }

    @inlinable
    func unlock() {
        if word.exchange(0, ordering: .releasing) == 2 { wakeSleeper() }
    }

    @usableFromInline
    func wakeSleeper() {
        unsafe withUnsafePointer(to: word) { unsafe capus_wake_one($0) }
    }

    @usableFromInline
    func lockSlowly() {
        for _ in 0..<Lock.looks {
            if word.load(ordering: .relaxed) == 0, take() { return }
            capus_pause()
        }
        // A thread that has slept cannot know whether others do, so it sets 2.
        while word.exchange(2, ordering: .acquiring) != 0 {
            unsafe withUnsafePointer(to: word) { unsafe capus_sleep_while($0, 2) }
        }
    }
}
