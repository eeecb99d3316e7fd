/// Why a redirect was not followed.
public enum RedirectFault: String, Error, Sendable, Hashable, Codable, CaseIterable {
    /// The chain has as many redirects as its limit allows.
    case tooMany
    /// The chain came to a request that it had sent before.
    case loop
    /// The redirect leads from https to http.
    case insecure
    /// The target's scheme is neither http nor https.
    case scheme
    /// The target holds user information (RFC 9110, section 4.2.4).
    case userInformation
    /// `Location` names no host, or an invalid one, or the answer has several of them.
    case malformed
}

extension RedirectFault: CustomStringConvertible {
    /// The fault in words, without the target.
    public var description: String {
        switch self {
        case .tooMany: "there are more redirects than the limit"
        case .loop: "the redirects lead back to a request of the same chain"
        case .insecure: "the redirect leads from https to http"
        case .scheme: "the target's scheme is neither http nor https"
        case .userInformation: "the target holds user information"
        case .malformed: "Location is not a URL of a host"
        }
    }
}
