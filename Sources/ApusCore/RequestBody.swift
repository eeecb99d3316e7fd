public import HTTPTypes

/// What a request carries behind its head; replayable by construction unless the caller says not.
public struct RequestBody: Sendable {
    /// The pieces of a body made as it goes out.
    public typealias Stream = any AsyncSequence<Bytes, any Error> & SendableMetatype

    package enum Content: Sendable {
        /// Bytes at hand, in pieces; never with an empty piece.
        case segments([Bytes])
        /// Pieces from a producer, made anew for each try.
        case stream(@Sendable () -> Stream)
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
    /// A file that turns out shorter or longer fails the exchange.
    public static func file(path: String, length: UInt64) -> RequestBody {
        RequestBody(content: .file(path: path), length: length, isReplayable: true)
    }

    /// Pieces from a producer that is made anew for each try.
    ///
    /// - Parameters:
    ///   - length: the number of bytes, or `nil` to send them chunked (HTTP/1.1).
    ///   - make: makes the producer; called once per try.
    public static func stream(
        length: UInt64? = nil, _ make: @escaping @Sendable () -> Stream
    ) -> RequestBody {
        RequestBody(content: .stream(make), length: length, isReplayable: true)
    }

    /// Pieces from a producer that cannot be made again: once it has begun, such a request is never
    /// replayed.
    public static func oneShot(
        length: UInt64? = nil, _ make: @escaping @Sendable () -> Stream
    ) -> RequestBody {
        RequestBody(content: .stream(make), length: length, isReplayable: false)
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
}
