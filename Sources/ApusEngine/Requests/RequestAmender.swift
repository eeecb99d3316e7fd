import ApusConnection
import ApusCore
import ApusDial
import ApusPool
import ApusSocket
import ApusTunnel
import HTTPTypes

/// Amends a request whose answer asks for another form of it: without its expectation (417), or
/// with credentials for the proxy that forwards it (407).
final class RequestAmender: Sendable {
    private let proxyTimeout: Duration?
    private let observer: EventReporter?
    /// The routes whose proxies have asked for credentials with what they forward.
    private let askingRoutes = LearnedRoutes()

    init(_ tuning: EngineTuning, observer: EventReporter?) {
        proxyTimeout = tuning.dial.proxyTimeout
        self.observer = observer
    }

    /// Forgets which of the routes that match have asked.
    ///
    /// The predicate is called with no lock held.
    func forget(where matches: (Route) -> Bool) {
        askingRoutes.forget(where: matches)
    }

    /// What is known before the first try: whether the proxy of this route asks by 407, which
    /// need not be asked for again (RFC 7617, section 2.2).
    func amendments(for request: OutgoingRequest, over route: Route) -> Amendments {
        guard let proxy = request.askingProxy, case .whenAsked = proxy.options.authentication,
            askingRoutes.contains(route)
        else { return Amendments() }
        return Amendments(proxyAuthorization: proxy.credentials?.basicAuthorization)
    }

    /// Takes over what an answer asks for; `false` when it is the caller's own.
    ///
    /// Not inlined: its variables would stay in the frame of every exchange.
    @inline(never)
    func amend(
        _ next: NextTry, after head: HTTPResponse, to exchange: Exchange,
        on lease: ConnectionPool.Lease
    ) async throws(TransportError) -> Bool {
        guard !lease.connection.isHTTP2 else { return false }
        if exchange.mayDropExpectation(after: head) {
            // RFC 9110, section 10.1.1: repeat the request without the expectation.
            next.omitExpectation()
            return true
        }
        guard head.status.code == 407, next.amendments.proxyAuthorization == nil,
            let proxy = exchange.request.askingProxy, exchange.mayRepeat
        else { return false }
        let answer: String?
        switch proxy.reply(to: head.headerFields) {
        case .said(let words): answer = words
        case .asked(let authenticator, let challenge):
            do throws(TransportError) {
                answer = try await ask(authenticator, challenge, for: exchange)
            } catch {
                exchange.abandon()
                throw error
            }
        }
        guard let answer else { return false }
        observer?.observe(
            .proxyChallenged(
                connection: lease.connection.id.rawValue, proxy: proxy.description))
        if case .whenAsked = proxy.options.authentication {
            askingRoutes.insert(exchange.place.route)
        }
        next.authorize(by: answer)
        return true
    }

    /// Asks the callback, within the proxy's budget and the request's own deadlines.
    private func ask(
        _ authenticator: ProxyAuthenticator, _ challenge: ProxyChallenge, for exchange: Exchange
    ) async throws(TransportError) -> String? {
        let limit = WaitLimit(
            proxyTimeout, as: .proxy, .now(), exchange.request,
            exchange.timings.started)
        switch await authenticator.answer(challenge, until: limit?.deadline) {
        case .answered(let answer):
            guard ChallengeReply.isSendable(answer) else {
                let (kind, message) = TunnelError.invalid(ChallengeReply.unsendable).explained
                throw exchange.refused(kind, .proxy, message)
            }
            return answer
        case .late:
            let phase = limit?.phase ?? .proxy
            let message =
                phase == .proxy
                ? proxyTimeout.map { " within \($0.words) (dial.proxyTimeout)" } ?? " in time"
                : ": " + exchange.request.lateness(in: phase)
            var error = exchange.refused(.timeout, phase, ChallengeReply.late + message)
            error.timeLimit = exchange.request.limit(in: phase)
            throw error
        case .cancelled:
            throw exchange.refused(.cancelled, .proxy, "the request was cancelled")
        }
    }
}

extension HTTPResponse.Status {
    /// Whether the answer may ask for another form of the request; few do.
    var mayAskForAnotherForm: Bool { code == 407 || code == 417 }
}

extension Exchange {
    /// The error of a request that its proxy refused, so that the origin has seen nothing of it.
    fileprivate func refused(
        _ kind: TransportError.Kind, _ phase: TransportError.Phase, _ message: String
    ) -> TransportError {
        var error = error(kind, phase, message)
        error.hop = .proxy
        error.replay = .refusedByPeer
        return error
    }
}

extension OutgoingRequest {
    /// The proxy that forwards the request, if its 407 may be answered.
    fileprivate var askingProxy: ProxyEndpoint? {
        guard route.isForwarded, let proxy = route.proxies.last, proxy.hasOptions else {
            return nil
        }
        return proxy
    }
}
