// A caller's own answer to a proxy, as an async function.
extension ProxyAuthenticator {
    /// Answers by a function, which is called once for each 407 and cancelled when the request's
    /// way to its connection ends before.
    ///
    /// - Parameter answer: gives the value of `Proxy-Authorization`, or `nil` to let the 407 stand;
    ///   it has what is left of `dial.proxyTimeout`.
    public convenience init(_ answer: @escaping @Sendable (ProxyChallenge) async -> String?) {
        self.init(begin: { challenge, reply in
            let task = Task { reply(await answer(challenge)) }
            return { task.cancel() }
        })
    }
}
