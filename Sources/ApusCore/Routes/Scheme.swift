/// The scheme of a URL: `http`, or `https` for HTTP over TLS.
public enum Scheme: String, Sendable, Hashable, Codable {
    /// HTTP without TLS.
    case http
    /// HTTP over TLS.
    case https

    /// Parses a scheme, in upper or lower case (RFC 3986, section 3.1).
    package init?(text: String) {
        if let scheme = Scheme(rawValue: text) {
            self = scheme
        } else {
            self.init(rawValue: text.lowercased())
        }
    }

    /// The port of a URL that names none: 80 or 443.
    public var defaultPort: UInt16 { self == .http ? 80 : 443 }
}
