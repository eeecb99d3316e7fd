import ApusCore

/// The instant at so many seconds.
func at(_ seconds: Int64) -> Deadline {
    Deadline(nanoseconds: seconds * 1_000_000_000)
}

/// A dial's number.
func dial(_ number: Int) -> ConnectionID {
    ConnectionID(slot: number, number: UInt64(number))
}

/// A route through proxies, given by their URLs.
func proxyRoute(
    _ proxies: String..., to host: String = "origin.test", scheme: Scheme = .https,
    isolation: String? = nil
) throws -> Route {
    Route(
        origin: try Origin(scheme: scheme, host: host),
        proxies: try proxies.map { try ProxyEndpoint(parsing: $0) },
        isolation: isolation.map { IsolationScope($0) })
}
