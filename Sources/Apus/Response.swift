import ApusTransport

/// A response whose head has come, and whose body follows as it is read.
public struct Response: Sendable {
    /// Status and fields, in wire order.
    public let head: HTTPResponse
    /// The body, to be read once; dropping it unread ends the exchange cheaply.
    public let body: ResponseBody
    /// What the connection became: non-nil after a 101 that `RequestOptions.upgrade` asked for, and
    /// after a 2xx to CONNECT; the body is then empty.
    ///
    /// Dropping the response and the duplex closes the connection.
    public let duplex: Duplex?
    /// The version it came in.
    public let version: HTTPVersion
    /// Where it came from.
    private let source: Source

    /// Who made the response.
    private enum Source: Sendable {
        case engine(ApusTransport.Response)
        /// A stub, a cache, a test: whoever answers without an engine.
        case program(Made)
    }

    /// What a program that makes a response says beside it.
    private final class Made: Sendable {
        let info: ExchangeInfo
        let informational: [HTTPResponse]

        init(_ info: ExchangeInfo, _ informational: [HTTPResponse]) {
            self.info = info
            self.informational = informational
        }
    }

    /// Makes a response without an engine: what a stub `HTTPTransport` answers with.
    ///
    /// - Parameters:
    ///   - head: status and fields; nothing is added to them.
    ///   - body: empty unless told otherwise.
    ///   - version: HTTP/1.1 unless told otherwise.
    ///   - informational: the 1xx responses that came before.
    ///   - info: what is told of connection and times; nothing unless told otherwise.
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

    init(_ inner: ApusTransport.Response) {
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
    case http1 = "HTTP/1.1"
    case http2 = "HTTP/2"
}

/// Which connection carried an exchange, and how long each step took from the call on.
public struct ExchangeInfo: Sendable {
    /// The connection's number in its engine, counted from 1; 0 when there was no connection.
    public var connectionID: UInt64 = 0
    /// Whether the connection had carried an exchange before.
    public var isReused = false
    /// What is known of the connection.
    public var connection = ConnectionFacts(protocolName: "", remoteAddress: "", tls: nil)
    /// What the request waited for before it got its connection; `nil` when one was free.
    public var queuedFor: WaitCause?
    /// How often the request was sent again before this response came.
    public var replays = 0
    /// The exchange's number in the observer's events; `nil` when the engine has no observer.
    public var exchangeID: UInt64?
    /// Bytes of the request's body given to the connection: fewer than it has after an early
    /// answer.
    public var bytesSent: UInt64 = 0
    /// A connection was there.
    public var queued: Duration?
    /// The request's last byte was handed to the connection.
    public var sent: Duration?
    /// The final head had come.
    public var head: Duration?
    /// The response was complete.
    public var done: Duration?

    /// Nothing is known yet: for those who make responses themselves.
    public init() {}

    init(_ inner: ApusTransport.Response) {
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
