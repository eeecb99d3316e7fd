public import Apus

/// A transport that follows redirects: 301, 302, 303, 307 and 308 (RFC 9110, section 15.4; the
/// Fetch standard).
///
/// - POST becomes GET after 301 and 302, every method but GET and HEAD does after 303; the fields
///   of the body are dropped with it. Otherwise method and body are kept.
/// - `Location` is resolved against the URL before (RFC 3986, section 5).
/// - At another origin (scheme, host or port) credentials, cookies and `RequestOptions.connectTo`
///   are dropped: see `RedirectRules.credentialFields`.
/// - An answer without `Location`, and an answer whose redirect would repeat a body that cannot be
///   made again, is returned as it is.
/// - A redirect that must not be followed is an error of kind `redirect`: see `RedirectFault`.
///
/// An answer that is passed over is dropped, so that an engine reads its rest within
/// `limits.drainBytes` and reuses the connection, or ends the exchange.
/// `RequestOptions.totalTimeout` covers the whole chain. `Response.info.tries` and
/// `TransportError.tries` list the chain, each request with its URL without query, and
/// `Response.info.url` is the URL of the response.
public struct Redirecting: HTTPTransport {
    private let transport: any HTTPTransport
    private let rules: RedirectRules
    private let clock: RetryClock

    /// Creates a transport around another.
    ///
    /// - Parameters:
    ///   - transport: sends each request of a chain.
    ///   - limit: the most redirects that one request follows; 10 by default.
    ///   - clock: the time; the system's by default.
    public init(
        _ transport: any HTTPTransport, limit: Int = 10, clock: RetryClock = RetryClock()
    ) {
        var rules = RedirectRules()
        rules.limit = limit
        self.init(transport, rules: rules, clock: clock)
    }

    /// Creates a transport around another, with rules.
    public init(
        _ transport: any HTTPTransport, rules: RedirectRules, clock: RetryClock = RetryClock()
    ) {
        self.transport = transport
        self.rules = rules
        self.clock = clock
    }

    /// Sends a request, and the requests that redirects ask for.
    ///
    /// - Throws: `TransportError` of the last request; of kind `redirect` when a redirect must not
    ///   be followed.
    public func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        let start = clock.now()
        // The only reference to the outcome, so that `judge` can release it before the next one.
        var last: Outcome? = .answer(
            try await transport.send(request, body: body, options: options))
        if case .answer(let response)? = last,
            !RedirectMachine.isRedirect(response.status.code)
        {
            return response
        }
        return try await follow(&last, since: start, request, body, options)
    }

    /// Takes the first redirect, and sends the requests that follow.
    ///
    /// Not inlined: a request without a redirect has no frame for this.
    @inline(never)
    private func follow(
        _ last: inout Outcome?, since start: ContinuousClock.Instant, _ request: HTTPRequest,
        _ body: RequestBody, _ options: RequestOptions
    ) async throws(TransportError) -> Response {
        guard let machine = RedirectMachine(request, rules: rules) else {
            return try last.takeLast().get()
        }
        var chain = Chain(machine: machine, began: start)
        var options = options
        let timeout = options.totalTimeout
        // The machine ends this loop: the redirects of a chain are bounded.
        while true {
            let hop: RedirectMachine.Hop
            switch judge(&last, body, &chain) {
            case .deliver(let outcome): return try outcome.get()
            case .follow(let next): hop = next
            }
            if !hop.isSameOrigin { options.connectTo = nil }
            options.totalTimeout = TimeBudget.left(of: timeout, from: start, now: chain.began)
            last = await Outcome.of(
                transport, hop.request, hop.hasBody ? body : .empty, options)
        }
    }

    /// What a chain has come to.
    private struct Chain {
        var machine: RedirectMachine
        var tries: [Try] = []
        /// When the current request began.
        var began: ContinuousClock.Instant
    }

    /// What follows a request of a chain.
    private enum Step {
        case deliver(Outcome)
        case follow(RedirectMachine.Hop)
    }

    /// Takes the outcome of a request; when another one follows, the outcome is released here.
    private func judge(_ last: inout Outcome?, _ body: RequestBody, _ chain: inout Chain) -> Step {
        let outcome = last.takeLast()
        let now = clock.now()
        chain.tries += outcome.tries(
            pause: .zero, duration: now - chain.began, url: chain.machine.url.place)
        chain.began = now
        guard case .answer(let response) = outcome else {
            return .deliver(outcome.adding(chain.tries))
        }
        switch chain.machine.answered(response.head, isReplayable: body.isReplayable) {
        case .deliver:
            return .deliver(outcome.adding(chain.tries, url: chain.machine.url.text))
        case .follow(let hop): return .follow(hop)
        case .refuse(let fault):
            var error = TransportError(
                .redirect(fault), phase: .head, message: fault.description,
                replay: .responseStarted)
            error.tries = chain.tries
            return .deliver(.failure(error))
        }
    }
}

extension URIReference {
    /// The URL without query and fragment, which may hold secrets, as in a list of tries.
    fileprivate var place: String {
        var copy = self
        copy.query = nil
        copy.fragment = nil
        return copy.text
    }
}
