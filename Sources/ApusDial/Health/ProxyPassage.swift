import ApusCore

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// How far one dial has come on its way through the proxies of its route, and what each did.
///
/// The one place that decides which failure of a dial is a proxy's own.
struct ProxyPassage: Sendable {
    /// What the dial waits for at the proxy whose turn it is.
    private enum Step {
        /// TCP with the first proxy.
        case connecting
        /// TLS with it.
        case securing
        /// Its answer to CONNECT or SOCKS.
        case asking
    }

    private let count: Int
    private var step = Step.connecting
    private var passed: [ProxyOutcome] = []
    /// Whether the last tunnel ended before any byte came through it.
    private var hasTunnelEnded = false
    /// What the proxy's own answer said.
    private var answer: ProxyFailure?
    /// Whether the dial waits for its own side: a name, TLS settings, a callback.
    private var isOurTurn = false

    /// - Parameter count: the proxies of the route.
    init(through count: Int) {
        self.count = count
    }

    mutating func securing() { step = .securing }

    mutating func asking() { step = .asking }

    /// The proxy whose turn it was is passed.
    mutating func passed(_ outcome: ProxyOutcome) { passed.append(outcome) }

    /// The proxy whose turn it is answered, and refused.
    mutating func refused(_ failure: ProxyFailure) { answer = failure }

    /// The tunnel of the last proxy that was passed ended before any byte came through it.
    mutating func tunnelEnded() { hasTunnelEnded = true }

    /// The dial waits for its own side from now on, or no longer.
    mutating func waitsForItself(_ waits: Bool) { isOurTurn = waits }

    /// What the proxies did, in order, as far as the dial came: those after it have no outcome.
    ///
    /// - Parameter error: why the dial failed; `nil` when it succeeded.
    func outcomes(after error: TransportError?) -> [ProxyOutcome] {
        var outcomes = passed
        guard let error, count > 0, !isOurTurn else { return outcomes }
        if hasTunnelEnded, !outcomes.isEmpty {
            outcomes[outcomes.count - 1] = .failed(.openedThenClosed)
        } else if passed.count < count, let failure = failure(error) {
            outcomes.append(.failed(failure))
        }
        return outcomes
    }

    private func failure(_ error: TransportError) -> ProxyFailure? {
        switch (step, error.kind) {
        case (.connecting, .timeout) where error.phase == .connect: .connectTimeout
        case (.connecting, .connect(let errno)) where error.phase == .connect:
            Self.errnosOfPeers.contains(errno) ? .unreachable : nil
        case (.securing, .timeout): .connectTimeout
        case (.securing, .tlsHandshake), (.securing, .malformed): .tlsFailed
        case (.asking, .proxyStatus), (.asking, .proxyReply), (.asking, .proxyFailed):
            answer ?? .brokenOff
        case (.asking, .timeout): .silent
        // Among others: names, descriptors, the own network, a certificate that is not trusted.
        default: nil
        }
    }

    /// The failures to connect that a peer, or the network near it, reports.
    private static let errnosOfPeers: Set = [
        ECONNREFUSED, ECONNRESET, ECONNABORTED, EHOSTUNREACH, EHOSTDOWN, ETIMEDOUT, ENOENT,
    ]
}
