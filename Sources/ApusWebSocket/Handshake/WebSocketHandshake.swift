import Apus

/// The request of a handshake, and the check of its answer (RFC 6455, section 4; RFC 8441,
/// section 5).
struct WebSocketHandshake {
    /// What both sides agreed on.
    struct Agreement: Sendable {
        var subprotocol: String?
        var deflate: DeflateAgreement?
    }

    /// Fields of the handshake, which the caller's request must not have.
    private static let own: [HTTPField.Name] = [
        .secWebSocketKey, .secWebSocketAccept, .secWebSocketVersion, .secWebSocketExtensions,
        .secWebSocketProtocol, .upgrade, .connection,
    ]

    private let caller: HTTPRequest
    private let options: WebSocketOptions
    private let key: HandshakeKey

    /// Checks the caller's request; nothing is sent.
    init(
        _ request: HTTPRequest, options: WebSocketOptions, key: HandshakeKey
    ) throws(WebSocketError) {
        try options.check()
        guard request.method == .get, request.extendedConnectProtocol == nil else {
            throw .invalidUse("a handshake is a GET request")
        }
        for name in Self.own where request.headerFields.contains(name) {
            throw .invalidUse("\(name.canonicalName) is the handshake's own field")
        }
        guard options.request.upgrade == nil else {
            throw .invalidUse("the protocol to switch to is always websocket")
        }
        for name in options.subprotocols where !ExtensionElement.isToken(name) {
            throw .invalidUse("a subprotocol is not a token")
        }
        guard Set(options.subprotocols).count == options.subprotocols.count else {
            throw .invalidUse("a subprotocol is offered twice")
        }
        var request = request
        request.scheme = try Self.httpScheme(of: request.scheme ?? "")
        caller = request
        self.options = options
        self.key = key
    }

    /// The request for an upgrade over HTTP/1.1, and its options.
    var upgrade: (HTTPRequest, RequestOptions) {
        var request = caller
        addFields(to: &request)
        request.headerFields[.secWebSocketKey] = key.text
        var options = requestOptions
        options.upgrade = "websocket"
        return (request, options)
    }

    /// The request for a stream of an HTTP/2 connection, and its options.
    var stream: (HTTPRequest, RequestOptions) {
        var request = caller
        addFields(to: &request)
        request.method = .connect
        request.extendedConnectProtocol = "websocket"
        var options = requestOptions
        options.versions = nil
        return (request, options)
    }

    /// Whether the URL is a secure one.
    var isSecure: Bool { caller.scheme == "https" }

    private func addFields(to request: inout HTTPRequest) {
        request.headerFields[.secWebSocketVersion] = "13"
        if !options.subprotocols.isEmpty {
            request.headerFields[.secWebSocketProtocol] =
                options.subprotocols.joined(separator: ", ")
        }
        if let compression = options.compression {
            request.headerFields[.secWebSocketExtensions] = DeflateAgreement.offer(compression)
        }
    }

    private var requestOptions: RequestOptions {
        var request = options.request
        if request.totalTimeout == nil { request.totalTimeout = options.handshakeTimeout }
        return request
    }

    /// The scheme of the handshake for that of the URL.
    static func httpScheme(of scheme: String) throws(WebSocketError) -> String {
        switch scheme.lowercased() {
        case "ws", "http": return "http"
        case "wss", "https": return "https"
        default: throw .invalidUse("the scheme is none of ws, wss, http and https")
        }
    }

    /// The request for a URL.
    static func request(for url: String) throws(WebSocketError) -> HTTPRequest {
        guard let separator = url.firstRange(of: "://") else {
            throw .invalidUse("the URL is not absolute")
        }
        // RFC 6455, section 3.
        guard !url.utf8.contains(UInt8(ascii: "#")) else {
            throw .invalidUse("the URL has a fragment")
        }
        let scheme = try httpScheme(of: String(url[..<separator.lowerBound]))
        do throws(TransportError) {
            return try HTTPRequest(.get, url: scheme + url[separator.lowerBound...])
        } catch {
            throw .transport(error)
        }
    }

    /// Checks the head of a response that switched protocols.
    func check(_ response: HTTPResponse, isUpgrade: Bool) throws(WebSocketError) -> Agreement {
        let fields = response.headerFields
        if isUpgrade {
            // The engine has checked Upgrade against the request.
            let connection = fields[values: .connection].joined(separator: ",").lowercased()
            let names = ExtensionElement.list([connection]) ?? []
            guard names.contains(where: { $0.name == "upgrade" }) else {
                throw .badHandshake("Connection does not name Upgrade")
            }
            guard fields[values: .secWebSocketAccept] == [key.accept] else {
                throw .badHandshake("Sec-WebSocket-Accept does not answer the key")
            }
        }
        var agreement = Agreement()
        let subprotocols = fields[values: .secWebSocketProtocol]
        if let subprotocol = subprotocols.first {
            guard subprotocols.count == 1, options.subprotocols.contains(subprotocol) else {
                throw .badHandshake("the server chose a subprotocol that was not offered")
            }
            agreement.subprotocol = subprotocol
        }
        agreement.deflate = try DeflateAgreement(
            answer: fields[values: .secWebSocketExtensions], to: options.compression)
        return agreement
    }
}
