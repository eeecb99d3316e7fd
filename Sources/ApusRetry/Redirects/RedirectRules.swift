public import Apus

/// What redirects a transport follows, and what it takes along (RFC 9110, section 15.4, and the
/// Fetch standard, "HTTP-redirect fetch").
public struct RedirectRules: Sendable, Hashable {
    /// The most redirects that one request follows; 10 by default, at most 100.
    public var limit = 10
    /// Whether a redirect from https to http is followed; `false` by default.
    public var allowsInsecure = false
    /// Fields that are dropped when a redirect leads to another origin (scheme, host or port):
    /// `Authorization`, `Proxy-Authorization`, `Cookie`, `Cookie2`, `X-API-Key`, `Api-Key`,
    /// `X-Goog-Api-Key`, `X-Auth-Token` by default.
    ///
    /// A credential in a field of another name must be added here, or it reaches the other origin.
    public var credentialFields = defaultCredentialFields

    /// Creates the default rules.
    public init() {}

    /// The redirects that are followed, within their limit.
    package var hops: Int { min(max(0, limit), RedirectRules.maxHops) }

    /// The most redirects that rules can ask for.
    package static let maxHops = 100
}

private let defaultCredentialFields: Set<HTTPField.Name> = [
    .authorization, .proxyAuthorization, .cookie, HTTPField.Name(known: "Cookie2"),
    HTTPField.Name(known: "X-API-Key"), HTTPField.Name(known: "Api-Key"),
    HTTPField.Name(known: "X-Goog-Api-Key"), HTTPField.Name(known: "X-Auth-Token"),
]
