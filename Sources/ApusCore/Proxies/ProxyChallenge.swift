public import HTTPTypes

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
