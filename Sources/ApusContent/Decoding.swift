public import Apus

/// A transport that decodes the content of the responses of another (RFC 9110, section 8.4).
///
/// ```
/// let transport = Decoding(engine)
/// let response = try await transport.send(.get("https://api.example.com/v1/models"))
/// ```
///
/// It adds `Accept-Encoding` unless the request has that field or a `Range`. Where a response has
/// codings that it knows, it removes `Content-Encoding` and `Content-Length` from the head, reports
/// them in `ExchangeInfo.decoding`, and decodes the body as it is read: a piece at a time, without
/// a task. It decodes whatever the status is, and whatever `Accept-Encoding` the caller has set.
///
/// Left alone, also reported where they have codings: responses to HEAD and CONNECT, the statuses
/// 204, 205, 206 and 304, responses with a duplex, and those with a coding that this build lacks.
///
/// Reading the body throws, after everything that came before the fault: `malformed` for corrupt
/// content and for bytes after its end, `truncated` for content that ends too early, `tooLarge`
/// beyond `limits`. `send` throws `tooLarge` for a response with too many codings.
public struct Decoding: HTTPTransport {
    /// The transport that sends the requests.
    public let transport: any HTTPTransport
    /// The codings that `Accept-Encoding` offers, by default all of this build; with none the field
    /// is not added.
    public let accepting: [ContentCoding]
    /// What content may decode to.
    public let limits: ContentLimits

    /// The value of `Accept-Encoding` that offers every coding of this build.
    public static let acceptEncoding = acceptEncoding(of: ContentCoding.available)

    private let acceptEncoding: String

    /// Creates a transport over another.
    public init(
        _ transport: any HTTPTransport, accepting: [ContentCoding] = ContentCoding.available,
        limits: ContentLimits = ContentLimits()
    ) {
        self.transport = transport
        self.accepting = accepting
        self.limits = limits
        acceptEncoding = Self.acceptEncoding(of: accepting)
    }

    private static func acceptEncoding(of codings: [ContentCoding]) -> String {
        codings.map(\.rawValue).joined(separator: ", ")
    }

    /// Sends a request, and decodes the content of its response.
    public func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        let response = try await transport.send(
            offeringCodings(request), body: body, options: options)
        return try decoded(response, method: request.method)
    }

    private func offeringCodings(_ request: HTTPRequest) -> HTTPRequest {
        // A part of encoded content cannot be decoded.
        let isOffered =
            !accepting.isEmpty && request.method != .connect
            && request.headerFields[.acceptEncoding] == nil && request.headerFields[.range] == nil
        guard isOffered else { return request }
        var request = request
        request.headerFields[.acceptEncoding] = acceptEncoding
        return request
    }

    @inline(never)
    private func decoded(
        _ response: Response, method: HTTPRequest.Method
    ) throws(TransportError) -> Response {
        let list = ContentEncodingList(response.head.headerFields)
        guard !list.names.isEmpty else { return response }
        var facts = DecodingFacts()
        guard Self.hasWholeContent(response, method), let codings = list.codings else {
            facts.remaining = list.names
            return response.replacing { [facts] info in info.decoding = facts }
        }
        facts.codings = list.names
        facts.contentLength = response.head.headerFields[.contentLength].flatMap { UInt64($0) }
        let counters = DecodingCounters()
        let stage: DecodingStage
        do throws(ContentError) {
            stage = DecodingStage(try ContentDecoder(codings, limits: limits), counters)
        } catch {
            var error = error.transportError
            error.phase = .head
            response.describe(&error)
            throw error
        }
        var head = response.head
        head.headerFields[.contentEncoding] = nil
        head.headerFields[.contentLength] = nil
        return response.replacing(
            head: head, body: ResponseBody(transforming: response.body, by: stage)
        ) { [facts] info in
            info.decoding = facts
            info.decoding?.encodedBytes = counters.encoded
            info.decoding?.decodedBytes = counters.decoded
        }
    }

    /// Whether the body is content as a whole (RFC 9110, sections 6.4.1 and 15).
    private static func hasWholeContent(_ response: Response, _ method: HTTPRequest.Method) -> Bool
    {
        guard method != .head, method != .connect, response.duplex == nil else { return false }
        return ![204, 205, 206, 304].contains(response.status.code)
    }
}

extension Response {
    /// Adds the connection and the exchange to an error about the head.
    fileprivate func describe(_ error: inout TransportError) {
        let info = info
        if info.connectionID > 0 {
            error.connectionID = info.connectionID
            error.remoteAddress = info.connection.remoteAddress
        }
        error.exchangeID = info.exchangeID
        error.isReused = info.isReused
        error.bytesSent = info.bytesSent
    }
}
