package import HTTPTypes

/// What a connection machine found in its input, one event at a time.
package enum HTTP1Event: Sendable {
    /// An interim response (1xx), before the final one.
    case informational(HTTPResponse)
    /// The final response's head; `bodyLength` is `nil` when the length is known only at the body's
    /// end.
    case head(HTTPResponse, bodyLength: UInt64?)
    /// Body bytes, as offsets into the input of this call.
    case body(Range<Int>)
    /// The response is complete; `trailers` is `nil` when there are none.
    case end(trailers: HTTPFields?)
    /// A requested 101, or a 2xx to CONNECT.
    ///
    /// The rest of the input, from the offset on, belongs to the raw duplex.
    case upgraded(HTTPResponse)
}

/// A server's hint about keeping an idle connection (`Keep-Alive: timeout=5, max=100`).
package struct KeepAliveHint: Sendable, Hashable {
    /// How long the server waits for the next request.
    package var timeout: Duration?
    /// How many more requests the server will answer on the connection.
    package var max: Int?

    package init(timeout: Duration? = nil, max: Int? = nil) {
        self.timeout = timeout
        self.max = max
    }
}
