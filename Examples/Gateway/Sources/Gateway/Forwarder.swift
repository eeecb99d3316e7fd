package import Apus
package import Hummingbird
package import NIOCore

/// Passes requests on to one upstream and its responses back, each piece as it arrives.
///
/// This is the core of the gateway. Everything else is a layer of `transport`: the credentials, the
/// access log, the usage figures.
package struct Forwarder: Sendable {
    package let origin: Origin
    package let transport: any HTTPTransport
    package let options: RequestOptions
    /// Bodies up to this length are read before they are sent, so that they can be sent again.
    package let replayBytes: Int
    package let clients: ClientConnections

    package init(
        to origin: Origin, over transport: any HTTPTransport, options: RequestOptions,
        replayBytes: Int, clients: ClientConnections
    ) {
        self.origin = origin
        self.transport = transport
        self.options = options
        self.replayBytes = replayBytes
        self.clients = clients
    }

    /// Forwards one request; the client's end cancels the exchange at any time.
    package func forward(
        _ inbound: Hummingbird.Request, from client: any Channel
    ) async -> Hummingbird.Response {
        var request = inbound.head.removingHopByHopFields()
        request.scheme = origin.scheme.rawValue
        request.authority = origin.authority
        do throws(TransportError) {
            let body = try await body(of: inbound)
            let response = try await clients.cancelling(client) {
                [request] () async throws(TransportError) in
                try await transport.send(request, body: body, options: options)
            }
            clients.whenGone(client) { response.cancel() }
            return passOn(response, to: client)
        } catch {
            return Refusal(error).response
        }
    }

    /// The body of a request: in memory when it is short, otherwise as it arrives.
    private func body(
        of inbound: Hummingbird.Request
    ) async throws(TransportError) -> Apus.RequestBody {
        let length = inbound.headers[.contentLength].flatMap(UInt64.init)
        if length == 0 || (length == nil && inbound.headers[.transferEncoding] == nil) {
            return .empty
        }
        let pieces = inbound.body.map { Bytes($0.readableBytesView) }
        guard let length, length <= replayBytes else { return .oneShot(length: length) { pieces } }
        return try await .collecting(pieces)
    }

    private func passOn(_ response: Apus.Response, to client: any Channel) -> Hummingbird.Response {
        let head = response.head.removingHopByHopFields()
        let body = Hummingbird.ResponseBody { writer in
            defer { clients.whenGone(client) {} }
            for try await piece in response.body {
                try await writer.write(ByteBuffer(bytes: piece))
            }
            try await writer.finish(response.body.trailers)
        }
        return Hummingbird.Response(status: head.status, headers: head.headerFields, body: body)
    }
}
