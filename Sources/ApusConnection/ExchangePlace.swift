package import ApusCore

/// Where an exchange takes place: what its errors tell, so that they can be matched with events.
package struct ExchangePlace: Sendable {
    package let route: Route
    let connection: UInt64
    let address: String
    /// `nil` without an observer.
    let exchange: UInt64?

    /// Tells of the place in an error.
    func mark(_ error: inout TransportError) {
        error.route = route
        error.connectionID = connection
        error.remoteAddress = address
        error.exchangeID = exchange
    }
}
