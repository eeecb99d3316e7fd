public import HTTPTypes

/// How an HTTP proxy that asks who we are (407) is answered; at most once for each tunnel or
/// request, so that there is never a loop.
///
/// A request that a proxy forwards is sent again for that, if its body can be made again or had not
/// begun to go out (`Expect: 100-continue`). A 407 that is not answered is the request's response.
public enum ProxyAuthentication: Sendable, Hashable {
    /// Credentials go out with the first request; a 407 is then the end (RFC 7617, section 2.2).
    case atOnce
    /// Credentials go out only after a 407 that asks for the Basic scheme.
    ///
    /// The requests that are forwarded after the one that was asked for them have them at once.
    case whenAsked
    /// This callback answers each 407.
    case answering(ProxyAuthenticator)
}

/// A caller's own answer to a proxy's 407, for other schemes than Basic or for tokens made anew.
///
/// Two of them are equal only when they are the same one: what was learnt for one proxy identity
/// never serves another.
public final class ProxyAuthenticator: Sendable, Hashable {
    /// Begins to answer a challenge; what it returns gives that up.
    ///
    /// The reply is the value of `Proxy-Authorization`, or `nil` to let the 407 stand; only the
    /// first counts.
    package typealias Begin =
        @Sendable (ProxyChallenge, _ reply: @escaping @Sendable (String?) -> Void)
        -> @Sendable () -> Void

    package let begin: Begin

    package init(begin: @escaping Begin) {
        self.begin = begin
    }

    public static func == (left: ProxyAuthenticator, right: ProxyAuthenticator) -> Bool {
        left === right
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(self))
    }
}

/// What a proxy asked by a 407.
public struct ProxyChallenge: Sendable, Hashable {
    /// Which proxy asks, as in "http://proxy:3128".
    public let proxy: String
    /// The answer's fields; `Proxy-Authenticate` says what is asked for (RFC 9110, section 11.7.1).
    public let fields: HTTPFields

    package init(proxy: String, fields: HTTPFields) {
        self.proxy = proxy
        self.fields = fields
    }

    /// Whether the Basic scheme is among those that the proxy takes.
    package var takesBasic: Bool {
        fields[values: .proxyAuthenticate].contains { value in
            ProxyChallenge.schemes(in: value).contains("basic")
        }
    }

    /// The words that begin a challenge, in lower case: each first word of a comma's part that is
    /// no parameter (`name=value`), quoted strings left out.
    private static func schemes(in value: String) -> [String] {
        var isQuoted = false
        var isEscaped = false
        var parts = [""]
        for character in value {
            if isEscaped {
                isEscaped = false
            } else if isQuoted {
                isEscaped = character == "\\"
                if character == "\"" { isQuoted = false }
            } else if character == "\"" {
                isQuoted = true
            } else if character == "," {
                parts.append("")
            } else {
                parts[parts.count - 1].append(character)
            }
        }
        return parts.compactMap { part in
            let word = part.trimmingBlanks().prefix { $0 != " " && $0 != "\t" }
            return word.isEmpty || word.contains("=") ? nil : word.lowercased()
        }
    }
}
