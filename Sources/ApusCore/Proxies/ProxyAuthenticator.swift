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
