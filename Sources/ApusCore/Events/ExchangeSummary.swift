/// An exchange that has ended, in numbers.
public struct ExchangeSummary: Sendable {
    /// Its number in the engine.
    public let exchange: UInt64
    /// The request's method.
    public let method: String
    public let route: Route
    /// The last connection that it went out on; `nil` when it never did.
    public package(set) var connection: UInt64?
    /// What that connection spoke: "http/1.1" or "h2".
    public package(set) var protocolName: String?
    /// Whether that connection had carried an exchange before.
    public package(set) var isReused = false
    /// The final status; `nil` when no head came.
    public package(set) var status: Int?
    /// How often the request was sent again.
    public package(set) var replays = 0
    /// From the call to the end.
    public package(set) var duration = Duration.zero
    /// Bytes of the request's body given to the connection.
    public package(set) var bytesSent: UInt64 = 0
    /// Bytes of the response's body received.
    public package(set) var bytesReceived: UInt64 = 0

    package init(exchange: UInt64, method: String, route: Route) {
        self.exchange = exchange
        self.method = method
        self.route = route
    }
}
