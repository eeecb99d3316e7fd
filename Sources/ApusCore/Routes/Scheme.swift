/// How an origin is spoken to: in the clear, or through TLS.
public enum Scheme: String, Sendable, Hashable, Codable {
    case http
    case https

    /// Reads a scheme in whatever case (RFC 3986, section 3.1).
    package init?(text: String) {
        if let scheme = Scheme(rawValue: text) {
            self = scheme
        } else {
            self.init(rawValue: text.lowercased())
        }
    }

    /// The port that a URL without one means.
    public var defaultPort: UInt16 { self == .http ? 80 : 443 }
}
