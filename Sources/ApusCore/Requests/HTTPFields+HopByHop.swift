public import HTTPTypes

// What a proxy or gateway may pass on of a message's fields.
extension HTTPRequest {
    /// The request without the fields that are for one hop only (RFC 9110, section 7.6.1), as a
    /// proxy passes it on.
    ///
    /// Removed are `Connection` and the fields that it lists, `Keep-Alive`, `Proxy-Connection`,
    /// `Proxy-Authorization`, `Transfer-Encoding`, `Upgrade` and `TE`; of `TE` the value `trailers`
    /// stays, since the proxy passes trailers on. The order of the other fields stays. A switch of
    /// protocols is requested by `RequestOptions.upgrade`. `Via`, `Max-Forwards` and `Forwarded`
    /// are left to the proxy.
    public func removingHopByHopFields() -> HTTPRequest {
        var request = self
        let takesTrailers = headerFields.elements(of: .te).contains("trailers")
        request.headerFields.removeHopByHop()
        if takesTrailers { request.headerFields[.te] = "trailers" }
        return request
    }
}

extension HTTPResponse {
    /// The response without the fields that are for one hop only (RFC 9110, section 7.6.1), as a
    /// proxy passes it on.
    ///
    /// Removed are `Connection` and the fields that it lists, `Keep-Alive`, `Proxy-Connection`,
    /// `Proxy-Authenticate`, `Proxy-Authentication-Info`, `Transfer-Encoding`, `Upgrade` and `TE`.
    /// The order of the other fields stays. `Content-Length` stays too: remove it when the body
    /// that is passed on has another length.
    public func removingHopByHopFields() -> HTTPResponse {
        var response = self
        response.headerFields.removeHopByHop()
        return response
    }
}

extension HTTPFields {
    /// Removes the fields that are for one hop only.
    fileprivate mutating func removeHopByHop() {
        let listed = Set(elements(of: .connection))
        removeAll { field in
            let name = field.name.canonicalName
            return name.isHopByHop || listed.contains(name)
        }
    }
}

extension String {
    /// Whether it is the lower-case name of a field that is for one hop only.
    fileprivate var isHopByHop: Bool {
        switch self {
        case "connection", "keep-alive", "proxy-authenticate", "proxy-authentication-info",
            "proxy-authorization", "proxy-connection", "te", "transfer-encoding", "upgrade":
            true
        default: false
        }
    }
}
