/// A callback that answers a proxy's 407, for schemes other than Basic or for short-lived tokens.
///
/// Two are equal only when they are the same object: what was learned for one proxy identity is
/// never used for another.
public final class ProxyAuthenticator: Sendable, Hashable {
    /// Starts to answer a challenge and returns a closure that cancels that.
    ///
    /// The reply is the value of `Proxy-Authorization`, or `nil` to leave the 407 unanswered; only
    /// the first reply counts.
    package typealias Begin =
        @Sendable (ProxyChallenge, _ reply: @escaping @Sendable (String?) -> Void)
        -> @Sendable () -> Void

    package let begin: Begin

    package init(begin: @escaping Begin) {
        self.begin = begin
    }

    /// Whether two references are the same object.
    public static func == (left: ProxyAuthenticator, right: ProxyAuthenticator) -> Bool {
        left === right
    }

    /// Hashes the object's identity.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(self))
    }
}
