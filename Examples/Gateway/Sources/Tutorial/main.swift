import Apus
import ApusObservability
import ApusRetry
import Hummingbird
import Logging
import ServiceLifecycle
import UnixSignals

/// Sends each request to one upstream and passes the response on as it arrives.
struct Gateway: HTTPResponder {
    let upstream: HTTPRequest
    let transport: any HTTPTransport

    func respond(to request: Request, context: BasicRequestContext) async -> Hummingbird.Response {
        var head = request.head.removingHopByHopFields()
        (head.scheme, head.authority) = (upstream.scheme, upstream.authority)
        // Whole, so that it can be sent again with the next credential.
        guard let upload = try? await request.body.collect(upTo: 32 << 20) else {
            return .init(status: .contentTooLarge)
        }
        var options = RequestOptions()
        options.headTimeout = .seconds(60)  // from the call to the response's head
        options.readIdleTimeout = .seconds(120)  // between two pieces of its body
        do throws(TransportError) {
            let response = try await transport.send(
                head, body: .bytes(Bytes(upload.readableBytesView)), options: options)
            return relay(response, to: request)
        } catch {
            context.logger.warning("no response", metadata: ["error": "\(error)"])
            return .init(status: error.kind == .timeout ? .gatewayTimeout : .badGateway)
        }
    }

    private func relay(_ response: Apus.Response, to request: Request) -> Hummingbird.Response {
        var head = response.head.removingHopByHopFields()
        head.headerFields[.connection] = "close"  // the close handler reads what follows a request
        var request = request
        request.body = .init(buffer: ByteBuffer())  // has been read
        let body = Hummingbird.ResponseBody { [request] writer in
            try await request.body.consumeWithInboundCloseHandler { _ in
                for try await piece in response.body {
                    try await writer.write(ByteBuffer(bytes: piece))
                }
                try await writer.finish(response.body.trailers)
            } onInboundClosed: {
                response.cancel()  // the client has gone
            }
        }
        return .init(status: head.status, headers: head.headerFields, body: body)
    }
}

/// A credential, perhaps with a proxy of its own: "secret" or "secret,http://proxy:3128".
func credential(_ index: Int, _ text: String) throws -> Choice {
    let parts = text.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
    let proxy = parts.count == 2 ? try ProxySetting(parsing: String(parts[1])) : .direct
    return Choice("key-\(index)") { request, options in
        request.headerFields[.authorization] = "Bearer \(parts[0])"
        options.proxy = proxy
        options.isolation = IsolationScope("key-\(index)")
    }
}

let logger = Logger(label: "gateway")
let arguments = CommandLine.arguments  // the port, the upstream's URL, one or more credentials
let engine = try TransportEngine(.executor, observer: LoggingObserver(logger))
let choices = try arguments.dropFirst(3).enumerated().map { try credential($0.offset, $0.element) }
let gateway = Gateway(
    upstream: try .get(arguments[2]), transport: try Rotating(over: choices, engine))
let address = BindAddress.hostname("127.0.0.1", port: Int(arguments[1]) ?? 8080)
let app = Application(responder: gateway, configuration: .init(address: address), logger: logger)
let service = EngineService(engine, drain: .seconds(5), serving: app)
try await ServiceGroup(
    services: [service], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger
).run()
