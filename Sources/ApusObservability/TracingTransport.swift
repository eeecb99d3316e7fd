public import Apus
public import Tracing

/// A transport that makes a client span for each request, by OpenTelemetry's conventions for HTTP.
///
/// The span begins with the call and ends with the response's body, so a stream that dies is no
/// success; an upgraded response's ends with the head. It has the events `head` and `first byte`.
/// A body that was dropped or cancelled gives it the `error.type` "cancelled", unless the status,
/// 400 or above, is the error. Queries and fields are not recorded, since they may hold secrets.
public struct TracingTransport<T: Tracer>: HTTPTransport {
    /// Whether the span's context is sent in the request's fields.
    public enum Propagation: Sendable, Hashable {
        /// Nothing is added to the request.
        case none
        /// The tracer's fields, such as `traceparent`, are set in the request.
        case requestFields
    }

    private let transport: any HTTPTransport
    private let tracer: T
    private let propagation: Propagation

    /// Creates a transport around another.
    ///
    /// - Parameters:
    ///   - transport: sends the requests.
    ///   - tracer: makes the spans.
    ///   - propagation: `none` by default: most origins have no use for the trace.
    public init(
        _ transport: any HTTPTransport, tracer: T, propagation: Propagation = .none
    ) {
        self.transport = transport
        self.tracer = tracer
        self.propagation = propagation
    }

    /// Sends a request within a span.
    public func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        let method = knownMethod(request.method.rawValue)
        let span = tracer.startSpan(method == "_OTHER" ? "HTTP" : method, ofKind: .client)
        describe(request, method, in: span)
        if let tag = options.metadata?.tag, !tag.isEmpty { span.attributes["apus.tag"] = tag }
        var request = request
        if propagation == .requestFields {
            tracer.inject(span.context, into: &request.headerFields, using: FieldInjector())
        }
        do throws(TransportError) {
            let response = try await transport.send(request, body: body, options: options)
            describe(response, in: span)
            guard response.duplex == nil else {
                span.end()
                return response
            }
            span.addEvent("head")
            return response.replacing(
                body: ResponseBody(transforming: response.body, by: SpanStage(span)))
        } catch {
            span.fail(with: error)
            span.end()
            throw error
        }
    }

    private func describe(_ request: HTTPRequest, _ method: String, in span: T.Span) {
        var attributes = span.attributes
        attributes["http.request.method"] = method
        if method == "_OTHER" {
            attributes["http.request.method_original"] = request.method.rawValue
        }
        if let scheme = request.scheme, let authority = request.authority,
            let kind = Scheme(rawValue: scheme.lowercased()),
            let origin = try? Origin(scheme: kind, authority: authority)
        {
            attributes["server.address"] = origin.host
            attributes["server.port"] = Int(origin.port)
            let path = request.path.map { $0.prefix { $0 != "?" } } ?? "/"
            attributes["url.full"] = "\(origin)\(path)"
        }
        span.attributes = attributes
    }

    private func describe(_ response: Response, in span: T.Span) {
        let info = response.info
        var attributes = span.attributes
        attributes["http.response.status_code"] = response.status.code
        attributes["network.protocol.version"] = response.version == .http2 ? "2" : "1.1"
        attributes["network.peer.address"] = info.connection.remoteAddress
        if info.replays > 0 { attributes["http.request.resend_count"] = info.replays }
        attributes["apus.connection.id"] = "\(info.connectionID)"
        attributes["apus.connection.reused"] = info.isReused
        if response.status.code >= 400 {
            attributes["error.type"] = "\(response.status.code)"
            span.setStatus(SpanStatus(code: .error))
        }
        span.attributes = attributes
    }
}

/// Passes a body on, and ends its request's span with it.
private struct SpanStage<S: Span>: BodyTransform, ~Copyable {
    private let span: S
    private var piece: Bytes?
    private var hasBegun = false

    init(_ span: S) {
        self.span = span
    }

    mutating func bytesReceived(_ piece: Bytes) {
        self.piece = piece
        guard !hasBegun else { return }
        hasBegun = true
        span.addEvent("first byte")
    }

    mutating func nextOutput() -> Bytes? {
        defer { piece = nil }
        return piece
    }

    mutating func bodyEnded() {
        span.end()
    }

    mutating func bodyFailed(_ error: TransportError) {
        span.fail(with: error)
        span.end()
    }

    mutating func bodyAbandoned() {
        // A refused answer counts by its status, whether its body was read or dropped.
        if span.attributes.get("error.type") == nil {
            span.attributes["error.type"] = TransportError.Kind.cancelled.name
        }
        span.end()
    }
}

extension Span {
    fileprivate func fail(with error: TransportError) {
        attributes["error.type"] = error.kind.name
        if let cutter = error.connectionEnd?.cutBy { attributes["apus.cut_by"] = cutter.rawValue }
        setStatus(SpanStatus(code: .error, message: error.message))
        recordError(error)
    }
}

/// Sets a tracer's context in a request's fields; invalid field names are skipped.
private struct FieldInjector: Injector {
    func inject(_ value: String, forKey key: String, into fields: inout HTTPFields) {
        guard let name = HTTPField.Name(key) else { return }
        fields[name] = value
    }
}
