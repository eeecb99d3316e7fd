package import HTTPTypes

/// What a connection machine found in its input, one step at a time.
package enum HTTP1Event: Sendable {
    /// An interim response (1xx); the final one is still to come.
    case informational(HTTPResponse)
    /// The final response's head; `bodyLength` is `nil` when only the body's end tells its length.
    case head(HTTPResponse, bodyLength: UInt64?)
    /// Body bytes, as offsets into the input of this very call.
    case body(Range<Int>)
    /// The response is complete; `trailers` is `nil` when there were none.
    case end(trailers: HTTPFields?)
    /// A 101 that was asked for, or a 2xx to CONNECT.
    ///
    /// The rest of the input, from the offset on, belongs to the raw duplex.
    case upgraded(HTTPResponse)
}

/// What a server said about keeping an idle connection (`Keep-Alive: timeout=5, max=100`).
package struct KeepAliveHint: Sendable, Hashable {
    /// How long the server waits for the next request.
    package var timeout: Duration?
    /// How many more requests it will answer on the connection.
    package var max: Int?

    package init(timeout: Duration? = nil, max: Int? = nil) {
        self.timeout = timeout
        self.max = max
    }
}
