// A caller's own answer to a proxy, as an async function.
extension ProxyAuthenticator {
    /// Answers by a function, which is called once for each 407 and cancelled when the request, or
    /// its way to a connection, ends before.
    ///
    /// - Parameter answer: gives the value of `Proxy-Authorization`, or `nil` to let the 407 stand;
    ///   it has what is left of `dial.proxyTimeout`; for a forwarded request, all of that, within
    ///   the request's own deadlines.
    public convenience init(_ answer: @escaping @Sendable (ProxyChallenge) async -> String?) {
        self.init(begin: { challenge, reply in
            let task = Task { reply(await answer(challenge)) }
            return { task.cancel() }
        })
    }
}
