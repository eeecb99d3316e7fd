/// How far the proxies of one dial have asked who we are: each is answered once.
struct ProxyLogins {
    /// What each proxy, by its place in the chain, was answered.
    private var answers: [Int: String] = [:]
    /// A proxy was answered that had closed its connection.
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

    /// Whether another connection is wanted; said once.
    mutating func takeRedial() -> Bool {
        defer { wantsRedial = false }
        return wantsRedial
    }
}
