import ApusTransport

/// The bytes of a response's body as they arrive; read once, by one task.
///
/// Reading pulls: a reader that stops, stops the sender. Dropping the body before its end closes
/// the HTTP/1.1 connection or resets the HTTP/2 stream, and blocks nobody.
public struct ResponseBody: AsyncSequence, Sendable {
    public typealias Element = Bytes
    public typealias Failure = TransportError

    private let reader: Reader

    init(_ exchange: Exchange) {
        reader = Reader(exchange)
    }

    public func makeAsyncIterator() -> Iterator {
        Iterator(reader: reader)
    }

    /// Gives one piece after the other, in order and never empty.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let reader: Reader

        /// The next piece; `nil` when the body has ended as it should.
        ///
        /// - Throws: `TransportError`, after everything that was received before the failure.
        public func next() async throws(TransportError) -> Bytes? {
            try await reader.exchange.nextChunk()
        }

        /// As `next()`; a body has no isolation of its own to leave or enter.
        public func next(isolation actor: isolated (any Actor)?) async throws(TransportError)
            -> Bytes?
        {
            try await reader.exchange.nextChunk()
        }
    }

    /// The trailers; `nil` before the end, or when there were none.
    public var trailers: HTTPFields? { reader.exchange.trailers }

    /// Reads the whole body into one value.
    ///
    /// - Parameter limit: the most bytes to take.
    /// - Throws: `TransportError`, `.tooLarge` when the body is longer than `limit`.
    public func collect(upTo limit: Int) async throws(TransportError) -> Bytes {
        var result: [UInt8] = []
        while let chunk = try await reader.exchange.nextChunk() {
            guard chunk.count <= limit - result.count else {
                reader.exchange.abandon()
                throw TransportError(
                    .tooLarge, phase: .body, message: "the body is longer than \(limit) bytes",
                    replay: .responseStarted)
            }
            if result.isEmpty, reader.exchange.isComplete { return chunk }
            result.append(contentsOf: chunk)
        }
        return Bytes(result)
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
