import ApusSocket

/// A value protected by a lock that the thread sanitizer understands, unlike
/// `Synchronization.Mutex`.
///
/// Unchecked, because `value` is touched only with the lock held.
final class Guarded<Value>: @unchecked Sendable {
    private let lock = Lock()
    private var value: Value

    init(_ value: Value) {
        self.value = value
    }

    func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        try lock.withLock { try body(&value) }
    }
}
