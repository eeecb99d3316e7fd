public import HTTPTypes

/// An absolute `http` or `https` URL, split into what a request needs.
///
/// The path and query pass through untouched: nothing is decoded, normalised or re-encoded.
public struct RequestURL: Sendable, Hashable {
    public let origin: Origin
    /// Path and query as they go on the wire; "/" when the URL has none.
    public let target: String

    /// Reads `scheme://host[:port][/path][?query]`; a fragment is dropped (RFC 9110, section 7.1).
    ///
    /// - Throws: `InvalidRequest` naming the part at fault.
    public init(parsing url: String) throws(InvalidRequest) {
        guard let separator = url.firstRange(of: "://") else {
            throw InvalidRequest(field: "url", reason: "is not absolute: scheme://host is missing")
        }
        let schemeText = url[..<separator.lowerBound].lowercased()
        guard let scheme = Scheme(rawValue: schemeText) else {
            throw InvalidRequest(field: "scheme", reason: "is neither http nor https")
        }
        let rest = url[separator.upperBound...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        origin = try Origin(scheme: scheme, authority: String(rest[..<end]))
        let target = rest[end...].prefix { $0 != "#" }
        self.target = target.isEmpty ? "/" : target.hasPrefix("?") ? "/" + target : String(target)
        try RequestURL.check(target: self.target)
    }

    /// Refuses what would end or split a request line: blanks, controls and bytes beyond ASCII.
    package static func check(target: String) throws(InvalidRequest) {
        for byte in target.utf8 where byte <= 0x20 || byte >= 0x7F {
            throw InvalidRequest(
                field: "path",
                reason: "has a blank, a control or a non-ASCII byte (\(byte)); encode it")
        }
    }
}

extension HTTPRequest {
    /// A request for an absolute URL; path and query pass through untouched.
    ///
    /// - Throws: `TransportError` of kind `invalidRequest` naming the part of the URL at fault: the
    ///   same type as `send` throws, so that one `do` serves for both.
    public init(_ method: Method, url: String, fields: HTTPFields = [:]) throws(TransportError) {
        let text = url
        let url: RequestURL
        do throws(InvalidRequest) {
            url = try RequestURL(parsing: text)
        } catch {
            throw TransportError(error)
        }
        self.init(
            method: method, scheme: url.origin.scheme.rawValue,
            authority: url.origin.authorityWithZone,
            path: url.target,
            headerFields: fields)
    }

    /// A GET for an absolute URL.
    ///
    /// - Throws: `TransportError` of kind `invalidRequest` naming the part of the URL at fault.
    public static func get(_ url: String, fields: HTTPFields = [:]) throws(TransportError)
        -> HTTPRequest
    {
        try HTTPRequest(.get, url: url, fields: fields)
    }

    /// A POST to an absolute URL.
    ///
    /// - Throws: `TransportError` of kind `invalidRequest` naming the part of the URL at fault.
    public static func post(_ url: String, fields: HTTPFields = [:]) throws(TransportError)
        -> HTTPRequest
    {
        try HTTPRequest(.post, url: url, fields: fields)
    }
}
