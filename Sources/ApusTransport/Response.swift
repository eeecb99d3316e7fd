package import ApusCore
import ApusPool
package import HTTPTypes

/// A response whose head has come: what the public response wraps.
package struct Response: Sendable {
    package let head: HTTPResponse
    package let exchange: Exchange
    package let isReused: Bool
    private let connection: any LiveConnection

    init(
        _ head: HTTPResponse, _ exchange: Exchange, _ connection: any LiveConnection, isReused: Bool
    ) {
        self.head = head
        self.exchange = exchange
        self.isReused = isReused
        self.connection = connection
    }

    /// The connection's number in its engine.
    package var connectionID: UInt64 { connection.id.rawValue }
    package var facts: ConnectionFacts { connection.facts }
    package var isHTTP2: Bool { connection.isHTTP2 }
}
