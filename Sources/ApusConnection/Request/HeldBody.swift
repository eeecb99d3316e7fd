import ApusCore
import ApusSocket

/// A request's body, held for as long as it may have to go out, be it for another try.
///
/// Unchecked, because `body` is touched only with the lock held.
final class HeldBody: @unchecked Sendable {
    private let lock = Lock()
    private var body: RequestBody

    init(_ body: RequestBody) {
        self.body = body
    }

    /// The body; empty once it was let go.
    var content: RequestBody { lock.withLock { body } }

    /// Nothing of it is needed any more.
    func letGo() {
        let old = lock.withLock {
            defer { body = .empty }
            return body
        }
        // The bytes, and what a producer's closure holds, end with no lock held.
        withExtendedLifetime(old) {}
    }
}

/// What is known of a request's body without its bytes.
package struct BodyFacts: Sendable {
    /// How many bytes there are; `nil` when that is known at the end only.
    package let length: UInt64?
    /// Whether the body can be made again for another try.
    let isReplayable: Bool

    init(_ body: RequestBody) {
        length = body.length
        isReplayable = body.isReplayable
    }

    /// Whether there is nothing to send.
    package var isEmpty: Bool { length == 0 }
}
