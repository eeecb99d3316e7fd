public import HTTPTypes

/// What a request carries behind its head; replayable by construction unless the caller says not.
public struct RequestBody: Sendable {
    /// The pieces of a body made as it goes out, where their type is known only when they are made.
    ///
    /// What has a type of its own, such as `AsyncStream<Bytes>` or `ResponseBody`, is taken as it
    /// is, whatever it throws.
    public typealias Stream = any AsyncSequence<Bytes, any Error> & SendableMetatype

    package enum Content: Sendable {
        /// Bytes at hand, in pieces; never with an empty piece.
        case segments([Bytes])
        /// Pieces from a producer, made anew for each try.
        case stream(@Sendable () -> any BodyProducer)
        /// The bytes of a file, read as they are needed.
        case file(path: String)
    }

    package let content: Content
    /// How many bytes there are; `nil` when only the end will tell.
    public let length: UInt64?
    /// Whether the body can be made again for another try.
    public let isReplayable: Bool

    /// What is said behind the body, asked for when its last byte has gone out.
    package private(set) var trailers: (@Sendable () -> HTTPFields)?
    /// The names that the head announces of them.
    package private(set) var trailerNames: [HTTPField.Name] = []

    /// No body.
    public static let empty = RequestBody(content: .segments([]), length: 0, isReplayable: true)

    /// Bytes at hand; nothing is copied.
    public static func bytes(_ bytes: Bytes) -> RequestBody {
        segments([bytes])
    }

    /// Pieces at hand, sent one behind the other; nothing is copied.
    public static func segments(_ segments: [Bytes]) -> RequestBody {
        RequestBody(
            content: .segments(segments.filter { !$0.isEmpty }),
            length: segments.reduce(0) { $0 + UInt64($1.count) }, isReplayable: true)
    }

    /// A file of `length` bytes, read as the connection takes them.
    ///
    /// A file that turns out shorter or longer, or cannot be read, fails the exchange.
    public static func file(path: String, length: UInt64) -> RequestBody {
        RequestBody(content: .file(path: path), length: length, isReplayable: true)
    }

    /// Pieces from a producer that is made anew for each try.
    ///
    /// The producer runs in a task of its own, with the task-local values and the priority of the
    /// task that sends. What it throws fails the exchange (`TransportError.Kind.producerFailed`). A
    /// producer of another number of bytes than `length` fails it too; where `length` is 0, it is
    /// heard to its end before the request is sent.
    /// - Parameters:
    ///   - length: the number of bytes, or `nil`, the default, to send them chunked (HTTP/1.1).
    ///   - make: makes the producer; called once per try.
    public static func stream<Pieces: AsyncSequence & SendableMetatype>(
        length: UInt64? = nil, _ make: @escaping @Sendable () -> Pieces
    ) -> RequestBody where Pieces.Element == Bytes {
        let content = Content.stream { PieceProducer(pieces: make()) }
        return RequestBody(content: content, length: length, isReplayable: true)
    }

    /// As above, with a producer whose type is known only when it is made.
    @_disfavoredOverload
    public static func stream(
        length: UInt64? = nil, _ make: @escaping @Sendable () -> Stream
    ) -> RequestBody {
        let content = Content.stream { producer(of: make()) }
        return RequestBody(content: content, length: length, isReplayable: true)
    }

    /// Pieces from a producer that cannot be made again: once it has begun, such a request is never
    /// replayed.
    ///
    /// This is how a response's body becomes a request's: `.oneShot { response.body }`. Otherwise
    /// as `stream(length:_:)`.
    /// - Parameters:
    ///   - length: the number of bytes, or `nil`, the default, to send them chunked (HTTP/1.1).
    ///   - make: makes the producer; called once.
    public static func oneShot<Pieces: AsyncSequence & SendableMetatype>(
        length: UInt64? = nil, _ make: @escaping @Sendable () -> Pieces
    ) -> RequestBody where Pieces.Element == Bytes {
        let content = Content.stream { PieceProducer(pieces: make()) }
        return RequestBody(content: content, length: length, isReplayable: false)
    }

    /// As above, with a producer whose type is known only when it is made.
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

    /// The same body with trailers behind it: on HTTP/1.1 it is sent chunked, whatever its length.
    ///
    /// Fields that must be known before the body (`Content-Length`, `Host`, `Content-Type`,
    /// `Authorization`, `Expect`, `Trailer` ...) are refused as trailers with an error of kind
    /// `invalidRequest`, on either version of HTTP (RFC 9110, section 6.5.1).
    /// - Parameters:
    ///   - names: the names that will come, where they are known: they are announced by a `Trailer`
    ///     field (RFC 9110, section 6.6.2), unless the request has one of its own. A name that no
    ///     trailer has is refused before anything is sent. By default nothing is announced.
    ///   - make: makes the fields, such as a checksum of what went out; called on the engine's
    ///     thread once the body has gone out, once per try.
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

    /// Whether only its producer, or its file, can tell that there is nothing to send.
    package var isEmptyByWord: Bool {
        if case .segments = content { false } else { length == 0 }
    }
}

/// The pieces of a body, of whatever type their sequence is and whatever it throws.
package protocol BodyProducer {
    associatedtype Pieces: AsyncSequence where Pieces.Element == Bytes
    var pieces: Pieces { get }
}

private struct PieceProducer<Pieces: AsyncSequence>: BodyProducer where Pieces.Element == Bytes {
    let pieces: Pieces
}
