/// A value that one task waits for and several threads may give; the first one counts.
///
/// Unchecked, because its state is accessed only with the lock held.
package final class FirstAnswer<Value: Sendable>: @unchecked Sendable {
    private let lock = Lock()
    // Guarded.
    private var value: Value?
    private var continuation: UnsafeContinuation<Value, Never>?

    package init() {}

    /// Whether a value was given.
    package var isGiven: Bool { lock.withLock { value != nil } }

    /// Waits for the first value; the caller gives one when the task is cancelled.
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
