package import ApusCore
package import HTTPTypes

/// Credentials and fields for HTTP proxies.
extension ProxyCredentials {
    /// The value of `Proxy-Authorization` for the Basic scheme (RFC 7617, section 2).
    package var basicAuthorization: String {
        "Basic " + Base64.encode(Array("\(user):\(password)".utf8))
    }
}

extension ProxyEndpoint {
    /// The fields sent to an HTTP proxy with a CONNECT or a forwarded request, and to no other
    /// peer.
    ///
    /// - Parameter authorization: the answer to its 407; `nil` without a 407.
    package func fields(authorization: String?) -> HTTPFields {
        if let authorization { return options.fields(authorization: authorization) }
        guard hasOptions else {
            return credentials.map { [.proxyAuthorization: $0.basicAuthorization] } ?? [:]
        }
        let options = options
        guard options.authentication == .atOnce, let credentials else { return options.fields }
        return options.fields(authorization: credentials.basicAuthorization)
    }
}

extension ProxyEndpoint.Options {
    fileprivate func fields(authorization: String) -> HTTPFields {
        var all: HTTPFields = [.proxyAuthorization: authorization]
        for field in fields { all.append(field) }
        return all
    }
}
