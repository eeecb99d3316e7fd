/// What the proxies of one dial have asked of us: each is given it once.
struct ProxyLogins {
    /// What each proxy, by its place in the chain, was answered.
    private var answers: [Int: String] = [:]
    /// The proxies that want HTTP/1.1 for their tunnels.
    private var wantHTTP1: Set<Int> = []
    /// What was asked takes another connection.
    private var wantsRedial = false

    /// What the proxy at `index` was answered; `nil` when it has not asked.
    func answer(at index: Int) -> String? { answers[index] }

    /// Keeps an answer for the proxy at `index`.
    ///
    /// - Parameter isClosed: the proxy's connection cannot carry it, so that another is needed.
    mutating func keep(_ answer: String, at index: Int, isClosed: Bool) {
        answers[index] = answer
        wantsRedial = isClosed
    }

    /// The proxy at `index` takes no tunnel over HTTP/2; another connection offers it none.
    mutating func demandHTTP1(at index: Int) {
        wantsRedial = wantHTTP1.insert(index).inserted
    }

    func demandsHTTP1(at index: Int) -> Bool { wantHTTP1.contains(index) }

    /// Whether another connection is wanted; said once.
    mutating func takeRedial() -> Bool {
        defer { wantsRedial = false }
        return wantsRedial
    }
}
