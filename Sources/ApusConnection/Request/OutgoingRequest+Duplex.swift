import ApusCore
import ApusHTTP1
import HTTPTypes

// Requests that ask for a raw duplex: by an upgrade, or by CONNECT.
extension OutgoingRequest {
    /// Whether a response may leave the connection, or the stream, as a raw duplex.
    var wantsDuplex: Bool { upgrade != nil || head.method == .connect }

    /// Refuses what could be meant in two ways, before anything is dialled.
    static func checkDuplex(
        _ head: HTTPRequest, _ body: RequestBody, _ options: RequestOptions
    ) throws(InvalidRequest) {
        if let name = head.extendedConnectProtocol {
            return try checkExtendedConnect(name, head, body, options)
        }
        let what = head.method == .connect ? "CONNECT" : "an upgrade"
        if options.versions == .http2Only {
            throw InvalidRequest(field: "versions", reason: "exclude HTTP/1.1, which \(what) needs")
        }
        guard body.isEmpty, body.trailers == nil else {
            throw InvalidRequest(field: "body", reason: "does not go with \(what)")
        }
        if head.method == .connect {
            try checkConnect(head, options)
        } else if let upgrade = options.upgrade {
            try check(upgrade: upgrade)
        }
    }

    /// The target is an authority with a port and nothing else (RFC 9110, section 9.3.6).
    private static func checkConnect(
        _ head: HTTPRequest, _ options: RequestOptions
    ) throws(InvalidRequest) {
        if options.upgrade != nil {
            throw InvalidRequest(field: "upgrade", reason: "does not go with CONNECT")
        }
        guard head.path == nil else {
            throw InvalidRequest(field: "path", reason: "does not go with CONNECT")
        }
        let authority = head.authority ?? ""
        let end = authority.lastIndex(of: "]").map { authority[authority.index(after: $0)...] }
        guard let colon = (end ?? authority[...]).lastIndex(of: ":"),
            authority.index(after: colon) < authority.endIndex
        else {
            throw InvalidRequest(field: "host", reason: "has no port, which CONNECT needs")
        }
        for name in [HTTPField.Name.contentLength, .transferEncoding]
        where head.headerFields.contains(name) {
            throw InvalidRequest(field: name.canonicalName, reason: "does not go with CONNECT")
        }
    }

    /// A protocol, a path, HTTP/2 allowed, and nothing else (RFC 8441, section 4).
    private static func checkExtendedConnect(
        _ name: String, _ head: HTTPRequest, _ body: RequestBody, _ options: RequestOptions
    ) throws(InvalidRequest) {
        guard head.method == .connect else {
            throw InvalidRequest(field: "method", reason: "is not CONNECT, which a protocol needs")
        }
        guard RequestEncoder.areProtocols(name), !name.contains(",") else {
            throw InvalidRequest(field: "protocol", reason: "is not a protocol name")
        }
        if case .http1Only = options.versions {
            throw InvalidRequest(
                field: "versions", reason: "exclude HTTP/2, which an extended CONNECT needs")
        }
        guard head.path != nil else {
            throw InvalidRequest(field: "path", reason: "is missing")
        }
        guard body.isEmpty, body.trailers == nil else {
            throw InvalidRequest(field: "body", reason: "does not go with CONNECT")
        }
        guard options.upgrade == nil, !head.headerFields.contains(.contentLength) else {
            throw InvalidRequest(field: "upgrade", reason: "does not go with CONNECT")
        }
    }

    /// Refuses a CONNECT through a proxy: the engine sends its own CONNECT to the proxy there.
    static func checkConnect(_ head: HTTPRequest, on route: Route) throws(InvalidRequest) {
        guard head.method == .connect, head.extendedConnectProtocol == nil,
            !route.proxies.isEmpty
        else { return }
        throw InvalidRequest(
            field: "proxy", reason: "does not go with CONNECT; connectTo says who is asked")
    }

    /// One or more of `token[/token]`, separated by commas (RFC 9110, section 7.8).
    private static func check(upgrade: String) throws(InvalidRequest) {
        guard RequestEncoder.areProtocols(upgrade) else {
            throw InvalidRequest(field: "upgrade", reason: "is not a list of protocol names")
        }
    }
}

extension RequestOptions {
    /// HTTP/1.1, which alone lets a connection leave HTTP, with the caller's choice about ALPN.
    var versionsForDuplex: HTTPVersionPolicy {
        if case .http1Only = versions { return versions ?? .automatic }
        return .http1Only(alpn: .http1)
    }
}
