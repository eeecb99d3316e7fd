package import ApusConnection
package import ApusCore
import ApusDial
package import HTTPTypes

// How a request gets its route.
extension OutgoingRequest {
    /// Checks the request and works out its route, or finds it among those used lately.
    ///
    /// - Parameter isRaw: the target is wanted as a raw duplex, and the head is never sent.
    /// - Throws: `InvalidRequest` naming the part at fault; nothing has been dialled.
    package convenience init(
        _ head: HTTPRequest, body: RequestBody, options: borrowing RequestOptions,
        tuning: borrowing EngineTuning,
        routes: RouteMemory, isRaw: Bool = false
    ) throws(InvalidRequest) {
        try self.init(
            head, body: body, options: options, tuning: tuning, isRaw: isRaw
        ) { (requirements, make) throws(InvalidRequest) in
            try routes.route(for: requirements, make)
        }
    }

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
        // Made for this caller, and used by no other afterwards.
        chosen.reuse = .oneShot
        let head = HTTPRequest(
            method: .connect, scheme: origin.scheme.rawValue, authority: origin.hostAndPort,
            path: nil)
        try self.init(
            head, body: .empty, options: chosen, tuning: tuning, routes: routes, isRaw: true)
    }
}
