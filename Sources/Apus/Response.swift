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
    /// Which connection carried the exchange, and how long each step took.
    public var info: ExchangeInfo { ExchangeInfo(inner) }

    /// The status of the final response.
    public var status: HTTPResponse.Status { head.status }
    /// The informational (1xx) responses that came before, in order.
    public var informational: [HTTPResponse] { inner.exchange.informationalResponses }

    private let inner: ApusTransport.Response

    init(_ inner: ApusTransport.Response) {
        self.inner = inner
        head = inner.head
        version = inner.isHTTP2 ? .http2 : .http1
        body = ResponseBody(inner.exchange)
        duplex = inner.duplex.map(Duplex.init)
    }
}

/// The HTTP version of an exchange.
public enum HTTPVersion: String, Sendable, Hashable, Codable {
    case http1 = "HTTP/1.1"
    case http2 = "HTTP/2"
}

/// Which connection carried an exchange, and how long each step took from the call on.
public struct ExchangeInfo: Sendable {
    /// The connection's number in its engine.
    public let connectionID: UInt64
    /// Whether the connection had carried an exchange before.
    public let isReused: Bool
    /// What is known of the connection.
    public let connection: ConnectionFacts
    /// What the request waited for before it got its connection; `nil` when one was free.
    public let queuedFor: WaitCause?
    /// How often the request was sent again before this response came.
    public let replays: Int
    /// The exchange's number in the observer's events; `nil` when the engine has no observer.
    public let exchangeID: UInt64?
    /// Bytes of the request's body given to the connection: fewer than it has after an early
    /// answer.
    public let bytesSent: UInt64
    /// A connection was there.
    public let queued: Duration?
    /// The request's last byte was handed to the connection.
    public let sent: Duration?
    /// The final head had come.
    public let head: Duration?
    /// The response was complete.
    public let done: Duration?

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
