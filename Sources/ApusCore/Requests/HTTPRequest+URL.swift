public import HTTPTypes

// Requests made from an absolute URL.
extension HTTPRequest {
    /// Creates a request for an absolute URL; path and query are not changed.
    ///
    /// - Throws: `TransportError` of kind `invalidRequest` naming the part of the URL at fault.
    ///   `send` throws the same type, so one `do` handles both.
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

    /// Creates a GET request for an absolute URL.
    ///
    /// - Throws: `TransportError` of kind `invalidRequest` naming the part of the URL at fault.
    public static func get(_ url: String, fields: HTTPFields = [:]) throws(TransportError)
        -> HTTPRequest
    {
        try HTTPRequest(.get, url: url, fields: fields)
    }

    /// Creates a POST request for an absolute URL.
    ///
    /// - Throws: `TransportError` of kind `invalidRequest` naming the part of the URL at fault.
    public static func post(_ url: String, fields: HTTPFields = [:]) throws(TransportError)
        -> HTTPRequest
    {
        try HTTPRequest(.post, url: url, fields: fields)
    }
}
