import ApusConnection

/// The bytes of a response's body as they arrive; read once, by one task.
///
/// Reading is pull-based: when the reader stops, the sender is stopped by flow control. Dropping
/// the body before its end closes the HTTP/1.1 connection or resets the HTTP/2 stream; it never
/// blocks. So does `cancel()`.
public struct ResponseBody: AsyncSequence, Sendable {
    /// A piece of the body, never empty.
    public typealias Element = Bytes
    /// The error that reading throws.
    public typealias Failure = TransportError

    private let source: Source

    /// The source of the bytes.
    fileprivate enum Source: Sendable {
        case exchange(Reader)
        case program(MadeBody)
        case stage(TransformedBody)
    }

    init(_ exchange: Exchange) {
        source = .exchange(Reader(exchange))
    }

    /// Creates a body from pieces in memory, without an engine.
    ///
    /// - Parameters:
    ///   - chunks: the pieces, in order; empty ones are skipped. None by default.
    ///   - trailers: the trailers; none by default.
    ///   - failure: an error that is thrown after the last piece, instead of an end; none by
    ///     default.
    public init(
        _ chunks: [Bytes] = [], trailers: HTTPFields? = nil, failure: TransportError? = nil
    ) {
        source = .program(MadeBody(chunks, trailers: trailers, failure: failure))
    }

    /// Creates a body from a function that returns its pieces, and `nil` at the end.
    ///
    /// There is one call at a time, in a task of its own, and none after it returned `nil` or
    /// threw; dropping or cancelling the body cancels that task. It is for transports that produce
    /// their own bodies; a body made of another one is `ResponseBody(transforming:by:)`.
    public init(
        _ next: @escaping @Sendable () async throws(TransportError) -> Bytes?,
        trailers: @escaping @Sendable () -> HTTPFields? = { nil }
    ) {
        source = .program(MadeBody(next, trailers: trailers))
    }

    /// Creates a body whose pieces a stage makes of another body's, within its own reads.
    ///
    /// It adds no task, no buffer and no switch of executor. It is read as any other body: by one
    /// task at a time; dropping it drops `inner`, and cancelling a read cancels that of `inner`. A
    /// deadline is passed to `inner.next(until:)`; output that is there is returned at once. The
    /// trailers are those of `inner`, unless the stage replaces them.
    ///
    /// - Parameters:
    ///   - inner: the body to read; no other code may read it then.
    ///   - stage: makes the new pieces; it is released at the end of the body.
    public init(
        transforming inner: ResponseBody, by stage: consuming some BodyTransform & ~Copyable
    ) {
        source = .stage(TransformedBody(inner, by: stage))
    }

    /// Returns an iterator; all iterators of a body read the same bytes, each piece once.
    public func makeAsyncIterator() -> Iterator {
        Iterator(source: source)
    }

    /// The result of a read with a deadline.
    public enum Arrival: Sendable, Hashable {
        /// The next piece, never empty.
        case bytes(Bytes)
        /// The body has ended correctly.
        case end
        /// Nothing arrived in time; the body can still be read.
        case nothing
    }

    /// An iterator over the pieces of a body, in order.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        fileprivate let source: Source

        /// The next piece; `nil` when the body has ended correctly.
        ///
        /// One task reads at a time: a second concurrent read is refused, and the first continues.
        /// Cancelling a read ends the exchange.
        /// - Throws: `TransportError`, after all bytes received before the failure; of kind
        ///   `invalidRequest` when another task is reading.
        public func next() async throws(TransportError) -> Bytes? {
            switch source {
            case .exchange(let reader): try await reader.next()
            case .program(let body): try await body.next()
            case .stage(let body): try await body.next()
            }
        }

        /// As `next()`, from the isolation of the caller.
        public func next(isolation actor: isolated (any Actor)?) async throws(TransportError)
            -> Bytes?
        {
            switch source {
            case .exchange(let reader): try await reader.next()
            case .program(let body): try await body.next()
            case .stage(let body): try await body.next()
            }
        }

        /// The next piece if it arrives before the deadline; a later piece is kept for the next
        /// read.
        ///
        /// It allows other work while a body pauses, such as a heartbeat of an event stream:
        /// `next(until: .now + .seconds(15))`. It needs no task. With a deadline in the past it
        /// returns a piece that is already there. Otherwise it is as `next()`: cancelling it ends
        /// the exchange.
        ///
        /// - Parameter deadline: the instant at which waiting ends.
        /// - Throws: `TransportError`, as `next()`; never because of the deadline.
        public func next(
            until deadline: ContinuousClock.Instant
        ) async throws(TransportError) -> Arrival {
            switch source {
            case .exchange(let reader):
                try await reader.exchange.nextChunk(within: deadline - .now).arrival
            case .program(let body): try await body.next(until: deadline)
            case .stage(let body): try await body.next(until: deadline)
            }
        }
    }

    /// Ends the exchange, from any task: a read that waits, and each later one, throws `cancelled`.
    ///
    /// The connection is released as when the body is dropped. Bytes that were received and not
    /// read are discarded. It does nothing when the body has failed or nothing is left to read, and
    /// a second call does nothing.
    public func cancel() {
        switch source {
        case .exchange(let reader): reader.exchange.cancelBody()
        case .program(let body): body.cancel()
        case .stage(let body): body.cancel()
        }
    }

    /// The trailers; `nil` before the end, or when there are none.
    public var trailers: HTTPFields? {
        switch source {
        case .exchange(let reader): reader.exchange.trailers
        case .program(let body): body.trailers
        case .stage(let body): body.trailers
        }
    }

    /// Reads the whole body into one value.
    ///
    /// - Parameter limit: the maximum length, in bytes.
    /// - Throws: `TransportError`, `.tooLarge` when the body is longer than `limit`.
    public func collect(upTo limit: Int) async throws(TransportError) -> Bytes {
        var first: Bytes?
        var result: [UInt8] = []
        let iterator = makeAsyncIterator()
        while let chunk = try await iterator.next() {
            let count = result.isEmpty ? first?.count ?? 0 : result.count
            guard chunk.count <= limit - count else {
                throw refuseRest("the body is longer than \(limit) bytes")
            }
            if let earlier = first {
                if result.isEmpty { result.append(contentsOf: earlier) }
                result.append(contentsOf: chunk)
            } else {
                first = chunk
            }
        }
        // A body of one piece is not copied.
        return result.isEmpty ? first ?? .empty : Bytes(result)
    }

    /// Ends the exchange because the rest is not wanted, and returns the error for that.
    package func refuseRest(_ message: String) -> TransportError {
        var error = TransportError(
            .tooLarge, phase: .body, message: message, replay: .responseStarted)
        addFacts(to: &error)
        cancel()
        return error
    }

    /// Adds the facts of the exchange to an error that a stage above it has made.
    func addFacts(to error: inout TransportError) {
        switch source {
        case .exchange(let reader): reader.exchange.addFacts(to: &error)
        case .stage(let body): body.addFacts(to: &error)
        case .program: break
        }
    }

    /// Abandons the exchange when the last reference to the body is released.
    fileprivate final class Reader: Sendable {
        let exchange: Exchange

        init(_ exchange: Exchange) {
            self.exchange = exchange
        }

        /// The next piece, without a suspension where it is there.
        @inline(__always)
        func next() async throws(TransportError) -> Bytes? {
            switch try exchange.chunkAtHand() {
            case .bytes(let bytes): return bytes
            case .end: return nil
            case .nothing, nil: return try await exchange.chunkAfterWaiting()
            }
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
