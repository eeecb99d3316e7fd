/// A user and a password for a proxy; never printed.
public struct ProxyCredentials: Sendable, Hashable, CustomStringConvertible,
    CustomDebugStringConvertible, CustomReflectable
{
    package var user: String { exactUser.text }
    package var password: String { exactPassword.text }
    private let exactUser: ExactText
    private let exactPassword: ExactText

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

    public var description: String { "credentials" }
    public var debugDescription: String { description }
    /// Nothing, so that `dump` of whatever holds credentials does not show them.
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// Refuses what this kind of proxy cannot be told.
    func check(for kind: ProxyEndpoint.Kind) throws(InvalidProxy) {
        // The first colon ends the user there, so another would be named (RFC 7617, section 2).
        guard !kind.speaksHTTP || !user.utf8.contains(UInt8(ascii: ":")) else {
            throw InvalidProxy(reason: "user has a colon, which no HTTP proxy can be told")
        }
        guard kind != .socks4a || password.isEmpty else {
            throw InvalidProxy(reason: "SOCKS 4a has no password")
        }
    }
}
