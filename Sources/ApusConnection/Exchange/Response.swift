package import ApusCore
package import HTTPTypes

/// A response whose head has come: what the public response wraps.
package struct Response: Sendable {
    package let head: HTTPResponse
    package let exchange: Exchange
    package let isReused: Bool
    private let connection: any LiveConnection
    /// What the request waited for before it got its connection; `nil` when it did not wait.
    package let waitedFor: WaitCause?
    /// How often the request was sent again.
    package let replays: Int
    /// The exchange's number in the observer's events; `nil` without an observer.
    package let exchangeID: UInt64?
    /// What the connection became; `nil` when it still speaks HTTP.
    package let duplex: (any DuplexStream)?

    package init(
        _ head: HTTPResponse, _ exchange: Exchange, on connection: any LiveConnection,
        isReused: Bool, waitedFor: WaitCause?, replays: Int, exchangeID: UInt64?
    ) {
        self.head = head
        self.exchange = exchange
        self.connection = connection
        self.isReused = isReused
        self.waitedFor = waitedFor
        self.replays = replays
        self.exchangeID = exchangeID
        duplex = exchange.request.wantsDuplex ? exchange.duplex : nil
    }

    /// The connection's number in its engine.
    package var connectionID: UInt64 { connection.id.rawValue }
    package var facts: ConnectionFacts { connection.facts }
    package var isHTTP2: Bool { connection.isHTTP2 }
}
