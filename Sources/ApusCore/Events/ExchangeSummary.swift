/// The facts of an exchange that has ended.
public struct ExchangeSummary: Sendable {
    /// Its number in the engine.
    public let exchange: UInt64
    /// The request's method.
    public let method: String
    /// The route, which holds credentials; its description does not.
    public let route: Route
    /// The last connection that the request was sent on; `nil` when it was never sent.
    public package(set) var connection: UInt64?
    /// The protocol of that connection: "http/1.1" or "h2".
    public package(set) var protocolName: String?
    /// Whether that connection had carried an exchange before.
    public package(set) var isReused = false
    /// The final status; `nil` when no head arrived.
    public package(set) var status: Int?
    /// Whether the final head's `Content-Type` is `text/event-stream`.
    package var isEventStream = false
    /// How many times the request was sent again.
    public package(set) var replays = 0
    /// From the call until the request had its last connection; `nil` when it had none.
    public package(set) var queued: Duration?
    /// From the call until the request's last byte was given to that connection; `nil` when it was
    /// not.
    public package(set) var sent: Duration?
    /// From the call to the final head; `nil` when none arrived.
    public package(set) var head: Duration?
    /// From the call to the first bytes of the body; `nil` when none arrived.
    public package(set) var firstByte: Duration?
    /// The longest time between two pieces of the body in which the caller waited for the next one,
    /// to some milliseconds; zero for a body in one piece.
    public package(set) var longestSilence = Duration.zero
    /// Bytes of the response's body that came in the last 5 to 10 % of the time on the connection.
    ///
    /// An event stream whose bytes all came then was held back on the way.
    public package(set) var bytesAtEnd: UInt64 = 0
    /// From the call to the end of the exchange.
    public package(set) var duration = Duration.zero
    /// Bytes of the request's body given to the connection.
    public package(set) var bytesSent: UInt64 = 0
    /// Bytes of the response's body received.
    public package(set) var bytesReceived: UInt64 = 0

    /// The metadata of the request; `nil` without any.
    public let metadata: RequestMetadata?

    package init(
        exchange: UInt64, method: String, route: Route, metadata: RequestMetadata? = nil
    ) {
        self.exchange = exchange
        self.method = method
        self.route = route
        self.metadata = metadata
    }
}
