import ApusConnection

/// Which connection carried an exchange, the time from the call to each step, and what layers did.
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
    /// The time until the first bytes of the body arrived; `nil` before that, and without any.
    public var firstByte: Duration?
    /// The time until the response was complete; `nil` before that.
    public var done: Duration?
    /// The tries that layers made, in order, the last of them the one that brought the response;
    /// empty without such a layer.
    ///
    /// Times and connection are those of the last try. Repeated sends by the engine itself are
    /// counted in `replays`.
    public var tries: [Try] = []
    /// The URL of the response after redirects, with query and fragment; `nil` without a redirect.
    public var url: String?
    /// What a layer that decodes the body has done; `nil` without such a layer, and for a response
    /// without a coding.
    public var decoding: DecodingFacts?

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
        firstByte = inner.exchange.timings.firstByteAfter
        done = inner.exchange.timings.finishedAfter
    }
}

/// The content codings of a response that a layer has decoded (RFC 9110, section 8.4).
public struct DecodingFacts: Sendable, Hashable {
    /// The codings that were removed, in lower case and in the order of `Content-Encoding`: the
    /// last one was decoded first.
    public var codings: [String] = []
    /// The codings that the body still has: all of them when the response is not decoded, because
    /// one is unknown or the body is no whole content.
    public var remaining: [String] = []
    /// The `Content-Length` that was removed, in bytes of the encoded body; `nil` when there was
    /// none.
    public var contentLength: UInt64?
    /// Bytes of the encoded body that were read so far.
    public var encodedBytes: UInt64 = 0
    /// Bytes of the decoded body that were delivered so far.
    public var decodedBytes: UInt64 = 0

    /// Creates empty facts, for a layer that decodes.
    public init() {}
}
