import Apus
import ApusSocket

/// A transport that keeps the options it was given and sends nothing.
final class Recorder: HTTPTransport {
    private let options = Shared<RequestOptions?>(nil)

    /// The options of the last request.
    var seen: RequestOptions? { options.value }

    func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        self.options.value = options
        throw TransportError(.shutdown, phase: .request, message: "a recorder sends nothing")
    }
}

/// A value that tasks share.
///
/// Unchecked, because `stored` is touched only with the lock held.
final class Shared<Value: Sendable>: @unchecked Sendable {
    private let lock = Lock()
    private var stored: Value

    init(_ value: Value) {
        stored = value
    }

    var value: Value {
        get { lock.withLock { stored } }
        set { lock.withLock { stored = newValue } }
    }

    func change(_ body: (inout Value) -> Void) {
        lock.withLock { body(&stored) }
    }
}

extension Shared<Int> {
    /// The next number, each given once.
    func take() -> Int {
        var taken = 0
        change { value in
            taken = value
            value += 1
        }
        return taken
    }
}
