package import ApusCore
import HTTPTypes

// A tunnel, asked for in the form that the pool knows: a request of its own connection.
extension OutgoingRequest {
    /// Asks for `host:port` as a raw duplex.
    ///
    /// - Throws: `InvalidRequest` naming the part at fault; nothing has been dialled.
    package convenience init(
        tunnelTo target: String, via proxy: ProxySetting, options: RequestOptions,
        tuning: EngineTuning, routes: RouteMemory
    ) throws(InvalidRequest) {
        let (host, port) = try Host.split(target)
        guard let port else {
            throw InvalidRequest(field: "host", reason: "has no port, which a tunnel needs")
        }
        let origin = try Origin(scheme: .https, host: host, port: port)
        var chosen = options
        chosen.proxy = proxy
        chosen.versions = .http1Only(alpn: .http1)
        chosen.upgrade = nil
        // Made for this caller, and nobody else's afterwards.
        chosen.reuse = .oneShot
        let head = HTTPRequest(
            method: .connect, scheme: origin.scheme.rawValue, authority: origin.hostAndPort,
            path: nil)
        try self.init(
            head, body: .empty, options: chosen, tuning: tuning, routes: routes, isRaw: true)
    }
}
