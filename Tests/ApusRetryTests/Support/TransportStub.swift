import Apus
import Synchronization

/// A transport that answers by a script, and records what it was sent.
final class TransportStub: HTTPTransport {
    /// A request as it was sent.
    struct Call: Sendable {
        let request: HTTPRequest
        let body: RequestBody
        let options: RequestOptions
    }

    typealias Step = @Sendable (Call) -> Result<Response, TransportError>

    private let steps: [Step]
    private let recorded = Mutex<[Call]>([])

    /// Creates a transport whose call n follows `steps[n]`, and each later one the last of them.
    init(_ steps: Step...) {
        self.steps = steps
    }

    var calls: [Call] { recorded.withLock(\.self) }

    func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        let call = Call(request: request, body: body, options: options)
        let index = recorded.withLock { calls in
            calls.append(call)
            return calls.count - 1
        }
        return try steps[min(index, steps.count - 1)](call).get()
    }

    /// A step that answers.
    static func answer(
        _ status: Int, _ fields: HTTPFields = [:], body: ResponseBody = ResponseBody()
    ) -> Step {
        { _ in
            .success(
                Response(
                    HTTPResponse(status: .init(code: status), headerFields: fields), body: body))
        }
    }

    /// A step that fails.
    static func failure(
        _ kind: TransportError.Kind, _ phase: TransportError.Phase = .head,
        _ replay: TransportError.Replay = .notSent, hop: TransportError.Hop = .origin
    ) -> Step {
        { _ in
            var error = TransportError(kind, phase: phase, message: "failed", replay: replay)
            error.hop = hop
            return .failure(error)
        }
    }
}

/// Whether an object was released, without holding it.
final class Witness: Sendable {
    private final class Held: Sendable {
        let isReleased: Mutex<Bool>
        let witness: Witness

        init(_ witness: Witness) {
            self.witness = witness
            isReleased = Mutex(false)
        }

        deinit {
            witness.released.withLock { $0 = true }
        }
    }

    private let released = Mutex(false)

    var isReleased: Bool { released.withLock(\.self) }

    /// A body that reports its release; it has one piece.
    func body() -> ResponseBody {
        let held = Held(self)
        let pieces = Mutex([Bytes("rest")])
        return ResponseBody { () throws(TransportError) in
            withExtendedLifetime(held) { pieces.withLock { $0.popLast() } }
        }
    }
}

extension [Try] {
    /// Each result in short: the status, or the name of the error's kind.
    var results: [String] {
        map { attempt in
            switch attempt.outcome {
            case .status(let code): "\(code)"
            case .failed(let error): error.kind.name
            }
        }
    }
}
