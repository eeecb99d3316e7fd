import ApusCore
import ApusHTTP1
import HTTPTypes

/// URLs, authorities and proxy settings: no text stops the process, and what was read once reads
/// the same again.
///
/// An input is the text; each reader has a look at it.
enum TextsTarget {
    static func play(_ input: [UInt8]) {
        let text = String(decoding: input, as: UTF8.self)
        for scheme in [Scheme.http, .https] { playAuthority(text, scheme) }
        playURL(text)
        playURL("http://" + text)
        playProxy(text)
        for kind in ["http://", "https://", "socks5://", "socks5h://"] { playProxy(kind + text) }
        _ = text.percentDecoded()
    }

    private static func playAuthority(_ text: String, _ scheme: Scheme) {
        // The quick way and the thorough one agree.
        let parts = try? Host.split(text)
        let thorough = parts.flatMap { try? Origin(scheme: scheme, host: $0.host, port: $0.port) }
        let origin = try? Origin(scheme: scheme, authority: text)
        precondition(origin == thorough, "two ways to read an authority differ")
        if let origin { check(origin) }
        if let origin = try? Origin(scheme: scheme, host: text) { check(origin) }
    }

    /// A host that was taken is normal, and its texts read as itself.
    private static func check(_ origin: Origin) {
        checkHost(origin.host)
        let texts = [origin.authority, origin.hostAndPort, origin.authority.uppercased()]
        // A zone is of this machine alone, and no authority has one (RFC 6874, section 4).
        for text in texts where !origin.host.utf8.contains(0x25) {
            let again = try? Origin(scheme: origin.scheme, authority: text)
            precondition(again == origin, "\(origin) does not read itself from \(text)")
        }
        let again = try? Origin(scheme: origin.scheme, host: origin.host, port: Int(origin.port))
        precondition(again == origin, "\(origin) is not normal")
    }

    private static func checkHost(_ host: String) {
        precondition((1...255).contains(host.utf8.count), "a host of no or too many bytes")
        precondition(host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "a host with odd bytes")
        // One dot at the end makes a name absolute, and stays.
        // A zone is an interface's name, which has its case.
        let name = host.prefix { $0 != "%" }
        precondition(name == name.lowercased() && !name.hasSuffix(".."), "a host not normal")
        precondition(!host.utf8.contains { "[]@/?#\\,\"<>".utf8.contains($0) }, "no host")
    }

    private static func playURL(_ text: String) {
        guard let url = try? RequestURL(parsing: text) else { return }
        check(url.origin)
        precondition(url.target.utf8.first == UInt8(ascii: "/"), "a target without its slash")
        precondition(url.target.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x23 })
        let again = try? RequestURL(parsing: "\(url.origin)\(url.target)")
        precondition(again == url, "a URL does not read itself")
        // What the parser takes, the encoder takes.
        var output: [UInt8] = []
        do {
            try RequestEncoder.appendHead(
                of: try HTTPRequest(.get, url: text), target: .origin, framing: .none,
                connection: .keepAlive, additional: [:], to: &output)
        } catch { preconditionFailure("a URL that was taken is refused: \(error)") }
    }

    private static func playProxy(_ text: String) {
        guard case .proxy(let proxy)? = try? ProxySetting(parsing: text) else { return }
        checkHost(proxy.host)
        let plain = try? ProxyEndpoint(parsing: proxy.description)
        precondition(
            plain?.kind == proxy.kind && plain?.host == proxy.host && plain?.port == proxy.port
                && plain?.credentials == nil,
            "a proxy does not read itself from its description")
        guard let credentials = proxy.credentials else { return }
        precondition(credentials.user.utf8.count <= 255 && credentials.password.utf8.count <= 255)
        let isBasic = proxy.kind == .http || proxy.kind == .https
        precondition(
            !isBasic || !credentials.user.utf8.contains(UInt8(ascii: ":")),
            "a proxy would receive another user")
        let user = encode(credentials.user) + ":" + encode(credentials.password)
        let again = try? ProxyEndpoint(
            parsing: "\(proxy.kind.rawValue)://\(user)@\(proxy.hostAndPort)")
        precondition(again == proxy, "credentials do not read themselves")
    }

    private static func encode(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        let bytes = text.utf8.flatMap {
            [UInt8(ascii: "%"), digits[Int($0 >> 4)], digits[Int($0 & 15)]]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
