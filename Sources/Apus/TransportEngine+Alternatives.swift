import ApusConnection

// A request with further proxies (`RequestOptions.proxyAlternatives`).
extension TransportEngine {
    /// Sends a request through the first of its proxies that lets it through.
    ///
    /// It goes on after an error at a proxy, and only if no byte of it has left.
    @inline(never)
    func sendThroughProxies(
        _ request: HTTPRequest, _ body: RequestBody, _ options: RequestOptions
    ) async throws(TransportError) -> Response {
        try check(options.proxyAlternatives, options.metadata)
        let began = ContinuousClock.now
        var (options, ways) = (options, options.proxyAlternatives[...])
        let (total, head) = (options.totalTimeout, options.headTimeout)
        options.proxyAlternatives = []
        var tries: [Try] = []
        while true {
            let start = ContinuousClock.now
            var last: Try
            do throws(TransportError) {
                let response = try await send(prepare(request, body, options))
                guard !tries.isEmpty else { return response }
                last = Try(.status(response.status.code), choice: options.proxy.name)
                last.connectionID = response.info.connectionID
                last.duration = ContinuousClock.now - start
                let all = tries + [last]
                return response.replacing { $0.tries = all }
            } catch {
                last = Try(.failed(error), choice: options.proxy.name)
                last.connectionID = error.connectionID
                last.duration = ContinuousClock.now - start
                tries.append(last)
                let spent = ContinuousClock.now - began
                options.totalTimeout = total.map { $0.without(spent) }
                options.headTimeout = head.map { $0.without(spent) }
                let isInTime = ![options.totalTimeout, options.headTimeout].contains { left in
                    left.map { $0 <= .zero } ?? false
                }
                guard error.letsAnotherProxyTry, isInTime, let next = ways.popFirst() else {
                    var failure = error
                    if tries.count > 1 { failure.tries = tries }
                    throw failure
                }
                options.proxy = next
            }
        }
    }

    /// Refuses a list with anything but proxies: no request goes without one by mistake.
    private func check(
        _ alternatives: [ProxySetting], _ metadata: RequestMetadata?
    ) throws(TransportError) {
        var reason: String?
        if alternatives.count > RequestOptions.maxProxyAlternatives {
            reason = "has \(alternatives.count) settings, not 0...16"
        } else if !alternatives.allSatisfy(\.namesProxies) {
            reason = "has a setting other than a proxy or a chain"
        }
        guard let reason else { return }
        var failure = TransportError(
            InvalidRequest(field: "proxyAlternatives", reason: reason))
        failure.metadata = metadata
        throw failure
    }
}

extension TransportError {
    /// Whether the request may succeed through another proxy, and has not left.
    fileprivate var letsAnotherProxyTry: Bool {
        hop == .proxy && replay == .notSent && advice == .sendAgainElsewhere
    }
}

extension Duration {
    /// What is left of a time limit; `unlimited` stays what it is.
    fileprivate func without(_ spent: Duration) -> Duration {
        self < RequestOptions.unlimited ? self - spent : self
    }
}

extension ProxySetting {
    fileprivate var namesProxies: Bool {
        switch self {
        case .proxy, .chain: true
        case .inherit, .direct, .rules: false
        }
    }

    /// The proxies without credentials.
    fileprivate var name: String {
        switch self {
        case .inherit, .direct: "direct"
        case .proxy(let endpoint): "\(endpoint)"
        case .chain(let endpoints): endpoints.map(\.description).joined(separator: " then ")
        case .rules: "by rules"
        }
    }
}
