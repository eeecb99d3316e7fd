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

    /// Which connection carried the exchange, and how long each step took.
    public var info: ExchangeInfo {
        switch source {
        case .engine(let inner): ExchangeInfo(inner)
        case .program(let made): made.info
        }
    }

    /// The status of the final response.
    public var status: HTTPResponse.Status { head.status }

    /// The informational (1xx) responses that came before, in order.
    public var informational: [HTTPResponse] {
        switch source {
        case .engine(let inner): inner.exchange.informationalResponses
        case .program(let made): made.informational
        }
    }
}

/// The HTTP version of an exchange.
public enum HTTPVersion: String, Sendable, Hashable, Codable {
    /// HTTP/1.1 (RFC 9112).
    case http1 = "HTTP/1.1"
    /// HTTP/2 (RFC 9113).
    case http2 = "HTTP/2"
}

/// Which connection carried an exchange, and the time from the call to each step.
public struct ExchangeInfo: Sendable {
    /// The connection's number in its engine, counted from 1; 0 when there was no connection.
    public var connectionID: UInt64 = 0
    /// Whether the connection had carried an exchange before.
    public var isReused = false
    /// Facts about the connection.
    public var connection = ConnectionFacts(protocolName: "", remoteAddress: "", tls: nil)
    /// What the request waited for; `nil` when a connection was free.
    public var queuedFor: WaitCause?
    /// How many times the request was sent again before this response.
    public var replays = 0
    /// The exchange's number in the observer's events; `nil` when the engine has no observer.
    public var exchangeID: UInt64?
    /// Bytes of the request's body given to the connection; not all of them after an early
    /// response.
    public var bytesSent: UInt64 = 0
    /// The time until the request had a connection; `nil` before that.
    public var queued: Duration?
    /// The time until the request's last byte was given to the connection; `nil` before that.
    public var sent: Duration?
    /// The time until the final head arrived; `nil` before that.
    public var head: Duration?
    /// The time until the response was complete; `nil` before that.
    public var done: Duration?

    /// Creates empty facts, for programs that make responses themselves.
    public init() {}

    init(_ inner: ApusConnection.Response) {
        connectionID = inner.connectionID
        isReused = inner.isReused
        connection = inner.facts
        queuedFor = inner.waitedFor
        replays = inner.replays
        exchangeID = inner.exchangeID
        bytesSent = inner.exchange.bytesSentSoFar
        queued = inner.exchange.timings.leasedAfter
        sent = inner.exchange.timings.sentAfter
        head = inner.exchange.timings.headAfter
        done = inner.exchange.timings.finishedAfter
    }
}
