import Apus

/// The errors of a sequence over another: those of its base, and a part beyond its bound.
struct ErrorRoutes<Base: Error, Failure: Error>: Sendable {
    let ofBase: @Sendable (Base) -> Failure
    let ofLength: @Sendable (LengthExceeded) -> Failure
}

extension ErrorRoutes where Failure == any Error {
    /// Both errors as they are.
    static func unchanged() -> ErrorRoutes {
        ErrorRoutes(ofBase: { $0 }, ofLength: { $0 })
    }
}

extension ErrorRoutes where Base == TransportError, Failure == TransportError {
    /// A part beyond the bound is `.tooLarge`, and it ends the exchange.
    static func ending(_ body: ResponseBody) -> ErrorRoutes {
        ErrorRoutes(ofBase: { $0 }, ofLength: { body.refuseRest($0.description) })
    }
}
