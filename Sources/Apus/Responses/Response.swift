import ApusConnection

/// A response whose head has arrived, and whose body is still to be read.
public struct Response: Sendable {
    /// The status and the fields, in the order received.
    public let head: HTTPResponse
    /// The body, which can be read once; dropping it unread ends the exchange.
    public let body: ResponseBody
    /// The raw duplex after a 101 requested by `RequestOptions.upgrade` or a 2xx to CONNECT, with
    /// an empty body; `nil` for any other response.
    ///
    /// Dropping the response and the duplex closes the connection.
    public let duplex: Duplex?
    /// The HTTP version of the response.
    public let version: HTTPVersion
    /// The source of the response.
    private let source: Source

    /// The source of a response.
    private enum Source: Sendable {
        case engine(ApusConnection.Response)
        /// A program that responds without an engine: a stub, a cache, a test.
        case program(Made)
        /// A response of either kind, about which a layer reports further facts.
        indirect case layer(Source, info: @Sendable (inout ExchangeInfo) -> Void)

        var info: ExchangeInfo {
            switch self {
            case .engine(let inner): return ExchangeInfo(inner)
            case .program(let made): return made.info
            case .layer(let inner, let amend):
                var info = inner.info
                amend(&info)
                return info
            }
        }

        var informational: [HTTPResponse] {
            switch self {
            case .engine(let inner): inner.exchange.informationalResponses
            case .program(let made): made.informational
            case .layer(let inner, _): inner.informational
            }
        }
    }

    /// Further facts of a response made by a program.
    private final class Made: Sendable {
        let info: ExchangeInfo
        let informational: [HTTPResponse]

        init(_ info: ExchangeInfo, _ informational: [HTTPResponse]) {
            self.info = info
            self.informational = informational
        }
    }

    /// Creates a response without an engine, as for a stub `HTTPTransport`.
    ///
    /// - Parameters:
    ///   - head: status and fields; none are added.
    ///   - body: the body; empty by default.
    ///   - version: the version; HTTP/1.1 by default.
    ///   - informational: the 1xx responses that came before; none by default.
    ///   - info: facts about connection and times; none by default.
    public init(
        _ head: HTTPResponse, body: ResponseBody = ResponseBody(), version: HTTPVersion = .http1,
        informational: [HTTPResponse] = [], info: ExchangeInfo = ExchangeInfo()
    ) {
        self.head = head
        self.body = body
        self.version = version
        duplex = nil
        source = .program(Made(info, informational))
    }

    /// Not inlined: it would be a part of the frame of every caller that waits for a head.
    @inline(never)
    init(_ inner: ApusConnection.Response) {
        head = inner.head
        version = inner.isHTTP2 ? .http2 : .http1
        body = ResponseBody(inner.exchange)
        duplex = inner.duplex.map(Duplex.init)
        source = .engine(inner)
    }

    private init(_ head: HTTPResponse, _ body: ResponseBody, _ source: Source, of old: Response) {
        self.head = head
        self.body = body
        self.source = source
        version = old.version
        duplex = old.duplex
    }

    /// The same response with another head, another body or further facts, as for a layer that
    /// wraps a transport.
    ///
    /// Everything else is kept: the version, the duplex, the informational responses, and `info`,
    /// which reports the exchange as it is at the time of the call.
    ///
    /// - Parameters:
    ///   - head: the new head; `nil`, the default, keeps the old one.
    ///   - body: the new body, in most cases `ResponseBody(transforming: response.body, by:
    ///     stage)`; `nil`, the default, keeps the old one. A new body that does not read the old
    ///     one ends the exchange, as dropping the old one does.
    ///   - info: adds to the facts each time they are asked for; it is called by several tasks at
    ///     once. `nil`, the default, adds nothing.
    public func replacing(
        head: HTTPResponse? = nil, body: ResponseBody? = nil,
        info: (@Sendable (inout ExchangeInfo) -> Void)? = nil
    ) -> Response {
        Response(
            head ?? self.head, body ?? self.body,
            info.map { .layer(source, info: $0) } ?? source, of: self)
    }

    /// Ends the exchange, from any task, as `ResponseBody.cancel()` does; a duplex is closed.
    public func cancel() {
        body.cancel()
        duplex?.close()
    }

    /// Which connection carried the exchange, how long each step took, and what layers did.
    public var info: ExchangeInfo { source.info }

    /// The status of the final response.
    public var status: HTTPResponse.Status { head.status }

    /// The informational (1xx) responses that came before, in order.
    public var informational: [HTTPResponse] { source.informational }
}

/// The HTTP version of an exchange.
public enum HTTPVersion: String, Sendable, Hashable, Codable {
    /// HTTP/1.1 (RFC 9112).
    case http1 = "HTTP/1.1"
    /// HTTP/2 (RFC 9113).
    case http2 = "HTTP/2"
}
