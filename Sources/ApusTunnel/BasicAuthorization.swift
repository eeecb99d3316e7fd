package import ApusCore
package import HTTPTypes

/// Credentials and fields for HTTP proxies.
extension ProxyCredentials {
    /// The value of `Proxy-Authorization` for the Basic scheme (RFC 7617, section 2).
    package var basicAuthorization: String {
        "Basic " + base64(Array("\(user):\(password)".utf8))
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

/// The standard alphabet, with padding (RFC 4648, section 4).
private func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start..<min(start + 3, bytes.count)]
        let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
        for position in 0..<4 {
            let index = Int(bits >> UInt32(18 - 6 * position) & 63)
            text.append(position <= group.count ? alphabet[index] : UInt8(ascii: "="))
        }
    }
    return String(decoding: text, as: UTF8.self)
}
