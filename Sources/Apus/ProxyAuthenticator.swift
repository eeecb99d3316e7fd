// Answering a proxy's challenge by an async function.
extension ProxyAuthenticator {
    /// Creates an authenticator from a function, which is called once for each 407 and cancelled
    /// when the request or its dial ends first.
    ///
    /// - Parameter answer: returns the value of `Proxy-Authorization`, or `nil` to leave the 407
    ///   unanswered. It has the rest of `dial.proxyTimeout`; for a forwarded request the whole of
    ///   it, within the request's own deadlines.
    public convenience init(_ answer: @escaping @Sendable (ProxyChallenge) async -> String?) {
        self.init(begin: { challenge, reply in
            let task = Task { reply(await answer(challenge)) }
            return { task.cancel() }
        })
    }
}
