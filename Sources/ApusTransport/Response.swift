package import ApusCore
import ApusPool
package import HTTPTypes

/// A response whose head has come: what the public response wraps.
package struct Response: Sendable {
    package let head: HTTPResponse
    package let exchange: Exchange
    package let connectionID: UInt64
    package let facts: ConnectionFacts
    package let isReused: Bool

    init(
        _ head: HTTPResponse, _ exchange: Exchange, _ connection: any LiveConnection, isReused: Bool
    ) {
        self.head = head
        self.exchange = exchange
        connectionID = connection.id.rawValue
        facts = connection.facts
        self.isReused = isReused
    }
}
