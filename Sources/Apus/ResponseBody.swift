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

    /// Gives one piece after the other, in order and never empty.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        fileprivate let source: Source

        /// The next piece; `nil` when the body has ended as it should.
        ///
        /// - Throws: `TransportError`, after everything that was received before the failure.
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
                abandon()
                throw TransportError(
                    .tooLarge, phase: .body, message: "the body is longer than \(limit) bytes",
                    replay: .responseStarted)
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

    private func abandon() {
        switch source {
        case .exchange(let reader): reader.exchange.abandon()
        case .program(let body): body.abandon()
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
