import ApusConnection
import ApusCore
import ApusSocket

// Bodies that are said to have no bytes, by a producer or a file that may know better.

/// What a producer of no bytes came to.
private enum Hearing: Sendable {
    case ended
    case hasBytes
    case failed(any Error)
    case late(TransportError.Phase)
    case cancelled
}

extension OutgoingRequest {
    /// Hears the body's producer to its end, before anything of the request is sent.
    ///
    /// A request without a body is whole with its head, so that its answer may come, and be taken
    /// for that to all of it, before the producer has said anything. Bounded by the request's own
    /// deadlines and by its cancellation.
    ///
    /// - Throws: `TransportError` when there is a byte, when the producer throws, or when the wait
    ///   ends before the producer does.
    @inline(never)
    func hearBodyOut(_ started: Deadline) async throws(TransportError) {
        let pump = UploadPump(content.content, maxBuffered: 1)
        let heard = FirstAnswer<Hearing>()
        pump.start { [weak pump] in
            switch pump?.next() {
            case .bytes: heard.give(.hasBytes)
            case .end: heard.give(.ended)
            case .failed(let error): heard.give(.failed(error))
            case .later, nil: break
            }
        }
        let limit = WaitLimit(nil, as: .request, .now(), self, started)
        let timer = limit.map { limit in
            Task {
                try await Task.sleep(for: limit.deadline.since(.now()))
                heard.give(.late(limit.phase))
            }
        }
        defer {
            timer?.cancel()
            pump.stop()
        }
        let end = await withTaskCancellationHandler {
            await heard.wait()
        } onCancel: {
            heard.give(.cancelled)
        }
        guard var error = end.error(of: self) else { return letGoOfBody() }
        error.route = route
        error.metadata = metadata
        throw error
    }
}

extension Hearing {
    /// What is thrown; `nil` when there is nothing to send indeed.
    fileprivate func error(of request: OutgoingRequest) -> TransportError? {
        switch self {
        case .ended: return nil
        case .hasBytes:
            return TransportError(
                InvalidRequest(
                    field: "body", reason: "has more bytes than its declared length"))
        case .failed(let cause):
            var error = TransportError(
                .producerFailed, phase: .request, message: UploadPump.explain(cause))
            error.producerError = cause
            return error
        case .late(let phase):
            let message = "no end of the request's body: " + request.lateness(in: phase)
            return request.timeout(in: phase, message)
        case .cancelled:
            return TransportError(
                .cancelled, phase: .request, message: "the request was cancelled")
        }
    }
}
