/// How requests reach their origin: as configured elsewhere, straight, or through a proxy.
public enum ProxySetting: Sendable, Hashable {
    /// No opinion: whoever holds the next setting decides.
    ///
    /// On an engine it means no proxy.
    case inherit
    /// No proxy, whatever anybody else is configured with.
    case direct
    /// Through this proxy; a proxy that fails never falls back to direct.
    case proxy(ProxyEndpoint)

    /// Reads a configured text: "" is `inherit`, "direct" and "none" are `direct`, else a proxy's
    /// URL.
    ///
    /// Schemes: `http`, `https`, `socks5`, `socks5h`. User and password are percent-decoded.
    /// - Throws: `InvalidProxy`, whose message never holds credentials.
    public init(parsing text: String) throws(InvalidProxy) {
        let trimmed = text.trimmingBlanks()
        switch trimmed.lowercased() {
        case "": self = .inherit
        case "direct", "none": self = .direct
        default: self = .proxy(try ProxyEndpoint(parsing: trimmed))
        }
    }
}

/// A proxy setting that could not be read; says what is wrong, never what the text was.
public struct InvalidProxy: Error, Sendable, Hashable, CustomStringConvertible {
    public let reason: String

    public init(reason: String) {
        self.reason = reason
    }

    public var description: String { "proxy: \(reason)" }
}

/// One proxy: how it is spoken to, where it is, and who we are to it.
public struct ProxyEndpoint: Sendable, Hashable {
    /// The protocol spoken to the proxy.
    public enum Kind: String, Sendable, Hashable, Codable {
        /// CONNECT for https origins, absolute-form for http origins.
        case http
        /// As `http`, through TLS to the proxy.
        case https
        /// SOCKS version 5 with names resolved here.
        case socks5
        /// SOCKS version 5 with names resolved by the proxy.
        case socks5h

        var defaultPort: Int {
            switch self {
            case .http: 80
            case .https: 443
            case .socks5, .socks5h: 1080
            }
        }
    }

    public let kind: Kind
    /// Normalised like an origin's host.
    public let host: String
    public let port: UInt16
    /// Who we are to the proxy; `nil` when it does not ask.
    public let credentials: ProxyCredentials?

    /// - Throws: `InvalidProxy` naming the part at fault.
    public init(kind: Kind, host: String, port: Int? = nil, credentials: ProxyCredentials? = nil)
        throws(InvalidProxy)
    {
        do throws(InvalidRequest) {
            self.host = try Host.normalized(host)
        } catch {
            throw InvalidProxy(reason: error.description)
        }
        let port = port ?? kind.defaultPort
        guard (1...65535).contains(port) else {
            throw InvalidProxy(reason: "port \(port) is not in 1...65535")
        }
        // The first colon ends the user there, so another would be named (RFC 7617, section 2).
        let isBasic = kind == .http || kind == .https
        guard !isBasic || credentials?.user.utf8.contains(UInt8(ascii: ":")) != true else {
            throw InvalidProxy(reason: "user has a colon, which no HTTP proxy can be told")
        }
        self.kind = kind
        self.port = UInt16(port)
        self.credentials = credentials
    }

    /// Reads `scheme://[user[:password]@]host[:port][/]`; a path or query is ignored.
    ///
    /// - Throws: `InvalidProxy`, whose message never holds credentials.
    public init(parsing url: String) throws(InvalidProxy) {
        guard let separator = url.firstRange(of: "://") else {
            throw InvalidProxy(reason: "is no URL: scheme://host is missing")
        }
        guard let kind = Kind(rawValue: url[..<separator.lowerBound].lowercased()) else {
            throw InvalidProxy(reason: "scheme is none of http, https, socks5, socks5h")
        }
        let rest = url[separator.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let hostStart = rest.lastIndex(of: "@").map { rest.index(after: $0) } ?? rest.startIndex
        let credentials = try ProxyCredentials(userInformation: rest[..<hostStart].dropLast())
        let host: String
        let port: Int?
        do throws(InvalidRequest) {
            (host, port) = try Host.split(String(rest[hostStart...]))
        } catch {
            throw InvalidProxy(reason: error.description)
        }
        try self.init(kind: kind, host: host, port: port, credentials: credentials)
    }

    /// `host:port`, with brackets around IPv6.
    package var hostAndPort: String {
        host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

extension ProxyEndpoint: CustomStringConvertible {
    /// Scheme, host and port; there is no other description, so credentials cannot leak into one.
    public var description: String { "\(kind.rawValue)://\(hostAndPort)" }
}

/// A user and a password for a proxy; never printed.
public struct ProxyCredentials: Sendable, Hashable, CustomStringConvertible,
    CustomDebugStringConvertible, CustomReflectable
{
    package let user: String
    package let password: String

    /// - Throws: `InvalidProxy` when a part is longer than 255 bytes or has a control in it.
    public init(user: String, password: String) throws(InvalidProxy) {
        for part in [user, password] {
            guard part.utf8.count <= 255 else {
                throw InvalidProxy(reason: "user or password is longer than 255 bytes")
            }
            guard part.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw InvalidProxy(reason: "user or password has a control character")
            }
        }
        self.user = user
        self.password = password
    }

    /// Reads `user[:password]`, percent-decoded; `nil` when the text is empty.
    init?(userInformation text: Substring) throws(InvalidProxy) {
        guard !text.isEmpty else { return nil }
        let colon = text.firstIndex(of: ":") ?? text.endIndex
        guard let user = text[..<colon].percentDecoded(),
            let password = text[colon...].dropFirst().percentDecoded()
        else { throw InvalidProxy(reason: "user or password is not percent-encoded UTF-8") }
        try self.init(user: user, password: password)
    }

    public var description: String { "credentials" }
    public var debugDescription: String { description }
    /// Nothing, so that `dump` of whatever holds credentials does not show them.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension StringProtocol {
    /// The text without blanks and tabs at its ends.
    package func trimmingBlanks() -> String {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\n" || $0 == "\r\n" }
        let head = self.drop(while: isBlank)
        guard let last = head.lastIndex(where: { !isBlank($0) }) else { return "" }
        return String(head[...last])
    }

    /// The text with `%XX` replaced by its byte; `nil` when an escape is cut short or the result is
    /// not UTF-8.
    package func percentDecoded() -> String? {
        var bytes: [UInt8] = []
        var rest = Substring(self).utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst()?.hexDigitValue,
                let low = rest.popFirst()?.hexDigitValue
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

extension UInt8 {
    /// The value of an ASCII hexadecimal digit; `nil` for any other byte.
    @inlinable
    package var hexDigitValue: UInt8? {
        switch self {
        case 0x30...0x39: self - 0x30
        case 0x41...0x46: self - 0x41 + 10
        case 0x61...0x66: self - 0x61 + 10
        default: nil
        }
    }
}
