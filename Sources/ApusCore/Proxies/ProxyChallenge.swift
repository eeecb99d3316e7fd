public import HTTPTypes

/// A proxy's challenge: its 407 response.
public struct ProxyChallenge: Sendable, Hashable {
    /// The proxy that sent it, as in "http://proxy:3128".
    public let proxy: String
    /// The response's fields; `Proxy-Authenticate` lists the schemes (RFC 9110, section 11.7.1).
    public let fields: HTTPFields

    package init(proxy: String, fields: HTTPFields) {
        self.proxy = proxy
        self.fields = fields
    }

    /// Whether the proxy accepts the Basic scheme.
    package var takesBasic: Bool {
        fields[values: .proxyAuthenticate].contains { value in
            ProxyChallenge.schemes(in: value).contains("basic")
        }
    }

    /// The schemes of the challenges, in lower case: the first word of each comma-separated part,
    /// unless it is a parameter (`name=value`); quoted strings are skipped.
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
