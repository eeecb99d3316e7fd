import Apus

/// The result of one send through the transport below a layer.
enum Outcome: Sendable {
    /// A final response; dropping the last reference to it ends its exchange.
    case answer(Response)
    /// The error that the transport threw.
    case failure(TransportError)

    /// Sends through a transport, without throwing.
    static func of(
        _ transport: any HTTPTransport, _ request: HTTPRequest, _ body: RequestBody,
        _ options: RequestOptions
    ) async -> Outcome {
        do throws(TransportError) {
            return .answer(try await transport.send(request, body: body, options: options))
        } catch {
            return .failure(error)
        }
    }

    /// The tries that this send consisted of: those of the layers below, or itself.
    ///
    /// - Parameters:
    ///   - pause: the wait before it.
    ///   - duration: the time from its call to its end.
    ///   - choice: the name of the choice that it was made with.
    ///   - url: where it was sent, when that is another URL than the request's.
    func tries(
        pause: Duration, duration: Duration, choice: String? = nil, url: String? = nil
    ) -> [Try] {
        var tries: [Try]
        switch self {
        case .answer(let response):
            let info = response.info
            tries = info.tries
            if tries.isEmpty {
                var own = Try(.status(response.status.code))
                own.connectionID = info.connectionID == 0 ? nil : info.connectionID
                own.duration = duration
                tries = [own]
            }
        case .failure(let error):
            tries = error.tries
            if tries.isEmpty {
                var own = Try(.failed(error))
                own.connectionID = error.connectionID
                own.duration = duration
                tries = [own]
            }
        }
        for index in tries.indices {
            tries[index].choice = tries[index].choice ?? choice
            tries[index].url = tries[index].url ?? url
        }
        tries[0].pause += pause
        return tries
    }

    /// The same outcome with the tries that led to it; a single try is not listed, unless a layer
    /// below did.
    ///
    /// - Parameters:
    ///   - url: the URL of the response, when it is another one than the request's.
    ///   - verdict: the verdict over all tries, from that of an error.
    func adding(
        _ tries: [Try], url: String? = nil,
        verdict: (TransportError.Replay) -> TransportError.Replay = { $0 }
    ) -> Outcome {
        switch self {
        case .answer(let response):
            guard tries.count > 1 || tries.contains(where: \.isAmended) else { return self }
            return .answer(
                response.replacing { info in
                    info.tries = tries
                    if let url { info.url = url }
                })
        case .failure(var error):
            if tries.count > 1 || tries.contains(where: \.isAmended) { error.tries = tries }
            let verdict = verdict(error.replay)
            if error.replay != verdict { error.replay = verdict }
            return .failure(error)
        }
    }

    /// The response.
    ///
    /// - Throws: the error, when there is no response.
    func get() throws(TransportError) -> Response {
        switch self {
        case .answer(let response): return response
        case .failure(let error): throw error
        }
    }
}

extension Outcome? {
    /// Takes the outcome of the last send, so that dropping it can end its exchange.
    mutating func takeLast() -> Outcome {
        guard let outcome = take() else { preconditionFailure("a send ends with an outcome") }
        return outcome
    }
}

extension Try {
    /// Whether a try alone is worth a record, because it was made otherwise than the caller asked.
    fileprivate var isAmended: Bool { choice != nil || url != nil }
}
