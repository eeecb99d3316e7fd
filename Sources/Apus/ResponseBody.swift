import ApusTransport

/// The bytes of a response's body as they arrive; read once, by one task.
///
/// Reading pulls: a reader that stops, stops the sender. Dropping the body before its end closes
/// the HTTP/1.1 connection or resets the HTTP/2 stream, and blocks nobody.
public struct ResponseBody: AsyncSequence, Sendable {
    public typealias Element = Bytes
    public typealias Failure = TransportError

    private let source: Source

    /// Where the bytes come from.
    fileprivate enum Source: Sendable {
        case exchange(Reader)
        case program(MadeBody)
    }

    init(_ exchange: Exchange) {
        source = .exchange(Reader(exchange))
    }

    /// Makes a body of pieces at hand, without an engine.
    ///
    /// - Parameters:
    ///   - chunks: the pieces, in order; empty ones are left out.
    ///   - trailers: what follows the last piece.
    ///   - failure: thrown behind the last piece, instead of an end.
    public init(
        _ chunks: [Bytes] = [], trailers: HTTPFields? = nil, failure: TransportError? = nil
    ) {
        source = .program(MadeBody(chunks, trailers: trailers, failure: failure))
    }

    /// Makes a body of what a function gives, piece by piece, until it gives `nil`.
    ///
    /// Called by one reader at a time, never again once it gave `nil` or threw: for transports that
    /// wrap another one's body, or make their own as it is read.
    public init(
        _ next: @escaping @Sendable () async throws(TransportError) -> Bytes?,
        trailers: @escaping @Sendable () -> HTTPFields? = { nil }
    ) {
        source = .program(MadeBody(next, trailers: trailers))
    }

    public func makeAsyncIterator() -> Iterator {
        Iterator(source: source)
    }

    /// What a read with a deadline finds.
    public enum Arrival: Sendable, Hashable {
        /// The next piece, never empty.
        case bytes(Bytes)
        /// The body has ended as it should.
        case end
        /// Neither has come in time; the body lives on.
        case nothing
    }

    /// Gives one piece after the other, in order and never empty.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        fileprivate let source: Source

        /// The next piece; `nil` when the body has ended as it should.
        ///
        /// One task reads at a time: one that reads while another waits is refused, and the other
        /// goes on. Cancelling a read ends the exchange.
        /// - Throws: `TransportError`, after everything that was received before the failure; of
        ///   kind `invalidRequest` when another task reads.
        public func next() async throws(TransportError) -> Bytes? {
            switch source {
            case .exchange(let reader): try await reader.exchange.nextChunk()
            case .program(let body): try await body.nextChunk()
            }
        }

        /// As `next()`; a body has no isolation of its own to leave or enter.
        public func next(isolation actor: isolated (any Actor)?) async throws(TransportError)
            -> Bytes?
        {
            switch source {
            case .exchange(let reader): try await reader.exchange.nextChunk()
            case .program(let body): try await body.nextChunk()
            }
        }

        /// The next piece, if it comes before the deadline; what comes later stays for the next
        /// read, so that each piece is given once.
        ///
        /// For work beside a body that may pause, such as an event stream's heartbeat:
        /// `next(until: .now + .seconds(15))`. It costs no task. A deadline that is over takes what
        /// is there. Otherwise as `next()`: cancelling it ends the exchange.
        ///
        /// - Parameter deadline: until when to wait.
        /// - Throws: `TransportError`, as `next()`; never because of the deadline.
        public func next(
            until deadline: ContinuousClock.Instant
        ) async throws(TransportError) -> Arrival {
            switch source {
            case .exchange(let reader):
                try await reader.exchange.nextChunk(within: deadline - .now).arrival
            case .program(let body): try await body.nextChunk(until: deadline)
            }
        }
    }

    /// The trailers; `nil` before the end, or when there were none.
    public var trailers: HTTPFields? {
        switch source {
        case .exchange(let reader): reader.exchange.trailers
        case .program(let body): body.trailers
        }
    }

    /// Reads the whole body into one value.
    ///
    /// - Parameter limit: the most bytes to take.
    /// - Throws: `TransportError`, `.tooLarge` when the body is longer than `limit`.
    public func collect(upTo limit: Int) async throws(TransportError) -> Bytes {
        var result: [UInt8] = []
        let iterator = makeAsyncIterator()
        while let chunk = try await iterator.next() {
            guard chunk.count <= limit - result.count else {
                throw refuseRest("the body is longer than \(limit) bytes")
            }
            if result.isEmpty, isComplete { return chunk }
            result.append(contentsOf: chunk)
        }
        return Bytes(result)
    }

    /// Whether everything was received and taken.
    private var isComplete: Bool {
        if case .exchange(let reader) = source { return reader.exchange.isComplete }
        return false
    }

    /// Ends the exchange, because nobody wants what is left; the error says so.
    private func refuseRest(_ message: String) -> TransportError {
        switch source {
        case .exchange(let reader): return reader.exchange.refuseRest(message)
        case .program(let body):
            body.abandon()
            return TransportError(
                .tooLarge, phase: .body, message: message, replay: .responseStarted)
        }
    }

    /// Tells the exchange when the last holder of the body lets go.
    fileprivate final class Reader: Sendable {
        let exchange: Exchange

        init(_ exchange: Exchange) {
            self.exchange = exchange
        }

        deinit {
            exchange.abandon()
        }
    }
}

extension Exchange.Arrival {
    fileprivate var arrival: ResponseBody.Arrival {
        switch self {
        case .bytes(let bytes): .bytes(bytes)
        case .end: .end
        case .nothing: .nothing
        }
    }
}
