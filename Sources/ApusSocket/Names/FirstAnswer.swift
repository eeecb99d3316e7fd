/// A value that one task waits for and several may give, from any thread; the first counts.
///
/// Unchecked, because its state is touched only with the lock held.
package final class FirstAnswer<Value: Sendable>: @unchecked Sendable {
    private let lock = Lock()
    // Guarded.
    private var value: Value?
    private var continuation: UnsafeContinuation<Value, Never>?

    package init() {}

    /// Whether somebody has given a value.
    package var isGiven: Bool { lock.withLock { value != nil } }

    /// Waits for the first value; what cancelling the task gives is the caller's matter.
    package func wait() async -> Value {
        await withUnsafeContinuation { continuation in
            let early = lock.withLock { () -> Value? in
                if value == nil { unsafe self.continuation = continuation }
                return value
            }
            if let early { unsafe continuation.resume(returning: early) }
        }
    }

    package func give(_ value: Value) {
        let continuation = lock.withLock { () -> UnsafeContinuation<Value, Never>? in
            guard self.value == nil else { return nil }
            self.value = value
            defer { unsafe self.continuation = nil }
            return unsafe self.continuation
        }
        unsafe continuation?.resume(returning: value)
    }
}
