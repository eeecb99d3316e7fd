package import ApusCore

/// Where an exchange takes place: its errors carry this, so that they can be matched with events.
package struct ExchangePlace: Sendable {
    package let route: Route
    let connection: UInt64
    let address: String
    /// `nil` without an observer.
    let exchange: UInt64?
    let metadata: RequestMetadata?

    /// Sets the place in an error.
    func mark(_ error: inout TransportError) {
        error.route = route
        error.connectionID = connection
        error.remoteAddress = address
        error.exchangeID = exchange
        error.metadata = metadata
    }
}
