public import HTTPTypes

/// A request's body, which can be made again for another try unless the caller says otherwise.
public struct RequestBody: Sendable {
    /// A body's pieces as an existential sequence, for producers whose type is known only at run
    /// time.
    ///
    /// A sequence of a concrete type, such as `AsyncStream<Bytes>` or `ResponseBody`, needs no
    /// conversion, whatever it throws.
    public typealias Stream = any AsyncSequence<Bytes, any Error> & SendableMetatype

    package enum Content: Sendable {
        /// Pieces in memory; none is empty.
        case segments([Bytes])
        /// Pieces from a producer, made again for each try.
        case stream(@Sendable () -> any BodyProducer)
        /// The bytes of a file, read while they are sent.
        case file(path: String)
    }

    package let content: Content
    /// The length in bytes; `nil` when it is known only at the end.
    public let length: UInt64?
    /// Whether the body can be made again for another try.
    public let isReplayable: Bool

    /// Makes the trailers, once the last byte was sent.
    package private(set) var trailers: (@Sendable () -> HTTPFields)?
    /// The names of trailers that the head announces.
    package private(set) var trailerNames: [HTTPField.Name] = []

    /// No body.
    public static let empty = RequestBody(content: .segments([]), length: 0, isReplayable: true)

    /// A body of bytes in memory, which are not copied.
    public static func bytes(_ bytes: Bytes) -> RequestBody {
        segments([bytes])
    }

    /// A body of pieces in memory, sent in order and not copied.
    public static func segments(_ segments: [Bytes]) -> RequestBody {
        RequestBody(
            content: .segments(segments.filter { !$0.isEmpty }),
            length: segments.reduce(0) { $0 + UInt64($1.count) }, isReplayable: true)
    }

    /// A body from a file of `length` bytes, read while it is sent.
    ///
    /// A file that has another length or cannot be read fails the exchange.
    public static func file(path: String, length: UInt64) -> RequestBody {
        RequestBody(content: .file(path: path), length: length, isReplayable: true)
    }

    /// A body from a producer, which is made again for each try.
    ///
    /// The producer runs in its own task, with the task-local values and the priority of the task
    /// that sends. An error that it throws fails the exchange
    /// (`TransportError.Kind.producerFailed`), and so does a number of bytes other than `length`;
    /// where `length` is 0, the producer is run to its end before the request is sent.
    /// - Parameters:
    ///   - length: the number of bytes, or `nil`, the default, to send them chunked (HTTP/1.1).
    ///   - make: makes the producer; it is called once per try.
    public static func stream<Pieces: AsyncSequence & SendableMetatype>(
        length: UInt64? = nil, _ make: @escaping @Sendable () -> Pieces
    ) -> RequestBody where Pieces.Element == Bytes {
        let content = Content.stream { PieceProducer(pieces: make()) }
        return RequestBody(content: content, length: length, isReplayable: true)
    }

    /// As the generic overload, with a producer whose type is known only at run time.
    @_disfavoredOverload
    public static func stream(
        length: UInt64? = nil, _ make: @escaping @Sendable () -> Stream
    ) -> RequestBody {
        let content = Content.stream { producer(of: make()) }
        return RequestBody(content: content, length: length, isReplayable: true)
    }

    /// A body from a producer that cannot be made again: once it has begun, the request is never
    /// sent again.
    ///
    /// It passes a response's body on as a request's: `.oneShot { response.body }`. Otherwise it is
    /// as `stream(length:_:)`.
    /// - Parameters:
    ///   - length: the number of bytes, or `nil`, the default, to send them chunked (HTTP/1.1).
    ///   - make: makes the producer; it is called once.
    public static func oneShot<Pieces: AsyncSequence & SendableMetatype>(
        length: UInt64? = nil, _ make: @escaping @Sendable () -> Pieces
    ) -> RequestBody where Pieces.Element == Bytes {
        let content = Content.stream { PieceProducer(pieces: make()) }
        return RequestBody(content: content, length: length, isReplayable: false)
    }

    /// As the generic overload, with a producer whose type is known only at run time.
    @_disfavoredOverload
    public static func oneShot(
        length: UInt64? = nil, _ make: @escaping @Sendable () -> Stream
    ) -> RequestBody {
        let content = Content.stream { producer(of: make()) }
        return RequestBody(content: content, length: length, isReplayable: false)
    }

    private static func producer(
        of pieces: some AsyncSequence<Bytes, any Error> & SendableMetatype
    ) -> any BodyProducer {
        PieceProducer(pieces: pieces)
    }

    /// The same body followed by trailers; on HTTP/1.1 it is sent chunked, whatever its length.
    ///
    /// Fields that must come before the body (`Content-Length`, `Host`, `Content-Type`,
    /// `Authorization`, `Expect`, `Trailer` ...) are refused as trailers with an error of kind
    /// `invalidRequest`, on either version of HTTP (RFC 9110, section 6.5.1).
    /// - Parameters:
    ///   - names: the names of the trailers, where they are known; a `Trailer` field announces them
    ///     (RFC 9110, section 6.6.2), unless the request has one. A name that cannot be a trailer
    ///     is refused before anything is sent. None by default.
    ///   - make: makes the fields, such as a checksum of the body; it is called on an engine's
    ///     thread after the body was sent, once per try.
    public func withTrailers(
        named names: [HTTPField.Name] = [], _ make: @escaping @Sendable () -> HTTPFields
    ) -> RequestBody {
        var body = RequestBody(content: content, length: nil, isReplayable: isReplayable)
        body.trailers = make
        body.trailerNames = names
        return body
    }

    /// Whether there is nothing to send.
    package var isEmpty: Bool { length == 0 }

    /// Whether the body is declared empty but comes from a producer or a file, which may disagree.
    package var isEmptyByWord: Bool {
        if case .segments = content { false } else { length == 0 }
    }
}

/// A body's pieces, whatever the type of their sequence and of its errors.
package protocol BodyProducer {
    associatedtype Pieces: AsyncSequence where Pieces.Element == Bytes
    var pieces: Pieces { get }
}

private struct PieceProducer<Pieces: AsyncSequence>: BodyProducer where Pieces.Element == Bytes {
    let pieces: Pieces
}
