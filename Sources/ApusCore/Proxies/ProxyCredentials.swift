/// A user and a password for a proxy, which are never printed.
public struct ProxyCredentials: Sendable, Hashable, CustomStringConvertible,
    CustomDebugStringConvertible, CustomReflectable
{
    package var user: String { exactUser.text }
    package var password: String { exactPassword.text }
    private let exactUser: ExactText
    private let exactPassword: ExactText

    /// Creates credentials from a user and a password, as they are.
    ///
    /// - Throws: `InvalidProxy` when a part is longer than 255 bytes or has a control character.
    public init(user: String, password: String) throws(InvalidProxy) {
        for part in [user, password] {
            guard part.utf8.count <= 255 else {
                throw InvalidProxy(reason: "user or password is longer than 255 bytes")
            }
            guard part.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw InvalidProxy(reason: "user or password contains a control character")
            }
        }
        exactUser = ExactText(user)
        exactPassword = ExactText(password)
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

    /// "credentials", never the user or the password.
    public var description: String { "credentials" }
    /// "credentials", never the user or the password.
    public var debugDescription: String { description }
    /// A mirror without children, so that `dump` never shows credentials.
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// Refuses credentials that cannot be sent to this kind of proxy.
    func check(for kind: ProxyEndpoint.Kind) throws(InvalidProxy) {
        // The first colon ends the user, so the proxy would read another user (RFC 7617, section
        // 2).
        guard !kind.speaksHTTP || !user.utf8.contains(UInt8(ascii: ":")) else {
            throw InvalidProxy(
                reason: "user contains a colon, which cannot be sent to an HTTP proxy")
        }
        guard kind != .socks4a || password.isEmpty else {
            throw InvalidProxy(reason: "a password cannot be sent to a SOCKS 4a proxy")
        }
    }
}
