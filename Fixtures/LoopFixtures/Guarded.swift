import ApusSocket

/// A value protected by a lock that the thread sanitizer understands, unlike
/// `Synchronization.Mutex`.
///
/// Unchecked, because `value` is touched only with the lock held.
package final class Guarded<Value>: @unchecked Sendable {
    private let lock = Lock()
    private var value: Value

    package init(_ value: Value) {
        self.value = value
    }

    package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        try lock.withLock { try body(&value) }
    }
}
