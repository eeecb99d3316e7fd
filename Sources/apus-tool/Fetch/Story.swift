import Apus

/// `-v`: the engine's events, line by line as curl prints them.
struct Story: EngineObserver {
    let console: Console

    func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
        if let text = text(of: event) { console.line("* " + text) }
    }

    private func text(of event: EngineEvent) -> String? {
        switch event {
        case .dialStarted(let connection, let route):
            "connection \(connection): dialling \(route)"
        case .resolved(let connection, let addresses):
            "connection \(connection): addresses \(addresses.joined(separator: ", "))"
        case .connected(let connection, let address):
            "connection \(connection): TCP connected to \(address)"
        case .proxySecured(let connection, let proxy, let tls):
            "connection \(connection): with \(proxy): \(text(of: tls))" + certificate(of: tls)
        case .proxyChallenged(let connection, let proxy):
            "connection \(connection): \(proxy) asked for credentials (407); answering once"
        case .tunnelled(let connection, let proxy):
            "connection \(connection): \(proxy) opened the tunnel"
        case .secured(let connection, let tls):
            "connection \(connection): \(text(of: tls))" + certificate(of: tls)
        case .handshakeStepWasSlow(let connection, let step):
            "connection \(connection): one step of the handshake took \(milliseconds(step))"
        case .dialFailed(let connection, let error):
            "connection \(connection): dial failed: \(error)"
        case .connectionOpened(let connection, let route, let facts):
            "connection \(connection): \(text(of: facts))" + manner(of: route) + warning(for: route)
        case .connectionDraining(let connection, let reason):
            "connection \(connection): draining: \(reason.words)"
        case .connectionClosed(let connection, _, let reason, let age):
            "connection \(connection): closed after \(milliseconds(age)): \(reason.words)"
        case .staleAddressesUsed(let host, let age, let failure):
            "\(host) does not resolve (\(failure)); "
                + "its addresses of \(milliseconds(age)) ago are used"
        case .http2Avoided(let route, let evidence, _):
            "HTTP/2 fails on the way of \(route) ("
                + evidence.map(\.rawValue).joined(separator: ", ") + "); HTTP/1.1 is used"
        case .responsesBuffered(let route, let streams):
            "a hop on the way of \(route) buffers responses: the last \(streams) event streams "
                + "arrived whole at their end"
        case .proxyFailing(let proxy, let target, let evidence, let time):
            "the proxy \(proxy) is failing" + (target.map { " to \($0)" } ?? "") + " ("
                + evidence.map(\.rawValue).joined(separator: ", ")
                + "); no connection is made through it for \(milliseconds(time))"
        case .proxyRecovered(let proxy, let target):
            "the proxy \(proxy) works again" + (target.map { " to \($0)" } ?? "")
        case .shutdownStarted: nil
        case .shutdownFinished(let cut):
            cut.isEmpty ? nil : "cut while busy: \(cut.joined(separator: "; "))"
        case .engineDropped: "the engine was released without shutdown"
        default: exchangeText(of: event)
        }
    }

    private func exchangeText(of event: EngineEvent) -> String? {
        switch event {
        case .exchangeBegun(let exchange, let method, let route, _):
            "exchange \(exchange): \(method) to \(route)"
        case .exchangeQueued(let exchange, _, let cause, _):
            "exchange \(exchange): waiting for: \(cause.rawValue)"
        case .exchangeStarted(let exchange, let connection, let isReused):
            "exchange \(exchange): " + (isReused ? "reusing" : "first on")
                + " connection \(connection)"
        case .exchangeResponded(let exchange, let status): "exchange \(exchange): status \(status)"
        case .exchangeBodyBegan(let exchange): "exchange \(exchange): body begins"
        case .exchangeStalled(let exchange, let wait, let silence):
            "exchange \(exchange): the peer is silent for \(milliseconds(silence)), "
                + "\(wait.option) counts"
        case .exchangeReplayed(let exchange, let error):
            "exchange \(exchange): sending again after: \(error)"
        case .exchangeCompleted(let summary):
            "exchange \(summary.exchange): complete after \(milliseconds(summary.duration)), "
                + "\(summary.bytesSent) B sent, \(summary.bytesReceived) B received"
        case .exchangeCancelled(let summary):
            "exchange \(summary.exchange): cancelled after \(milliseconds(summary.duration))"
        case .exchangeFailed(let summary, let error):
            "exchange \(summary.exchange): failed after \(milliseconds(summary.duration)): \(error)"
        default: nil
        }
    }

    private func milliseconds(_ duration: Duration) -> String {
        "\((duration.inSeconds * 1000).fixed(1)) ms"
    }

    private func warning(for route: Route) -> String {
        var text = ""
        for proxy in route.proxies
        where proxy.kind == .https && proxy.tls(in: route.tls).insecureSkipVerify {
            text += "; CERTIFICATE OF \(proxy) NOT VERIFIED"
        }
        guard route.tls.insecureSkipVerify, route.origin.scheme == .https else { return text }
        return text + "; CERTIFICATE NOT VERIFIED"
    }

    /// The proxy that can read the requests, if one can.
    private func manner(of route: Route) -> String {
        guard route.origin.scheme == .http, let last = route.proxies.last,
            last.kind == .http || last.kind == .https, route.versions != .http2Only
        else { return "" }
        return "; \(last) forwards the requests, since http needs no tunnel"
    }

    private func text(of tls: ConnectionFacts.TLSFacts) -> String {
        "\(tls.version), \(tls.cipher), ALPN \(tls.alpn ?? "not chosen")"
            + (tls.isResumed ? ", session resumed" : "")
    }

    private func certificate(of tls: ConnectionFacts.TLSFacts) -> String {
        tls.certificates.first.map { "; certificate of \($0), until \($0.notAfter)" } ?? ""
    }

    private func text(of facts: ConnectionFacts) -> String {
        var text = "open to \(facts.remoteAddress), speaking \(facts.protocolName)"
        if let tls = facts.tls { text += "; \(self.text(of: tls))" }
        let times: [(String, Duration)] = [
            ("resolved", facts.resolved), ("connected", facts.connected),
            ("secured", facts.secured),
        ]
        let parts = times.filter { $0.1 > .zero }
            .map { "\($0.0) \(($0.1.inSeconds * 1000).fixed(1)) ms" }
        return parts.isEmpty ? text : text + " (" + parts.joined(separator: ", ") + ")"
    }
}

extension Console {
    /// Prints a request's head, each line after `>`.
    func show(_ request: HTTPRequest, exchange: String) {
        var lines = ["> \(request.method.rawValue) \(request.path ?? "/")\(exchange)"]
        if let authority = request.authority { lines.append("> authority: \(authority)") }
        lines += request.headerFields.map { "> \($0.name.rawName): \(disclosed($0))" }
        line(lines.joined(separator: "\n"))
    }

    /// Prints a response's head, each line after `<`.
    func show(_ response: HTTPResponse, version: HTTPVersion, exchange: String) {
        // HTTP/2 has no reason phrase.
        let reason = response.status.reasonPhrase
        let status = "\(response.status.code)" + (reason.isEmpty ? "" : " " + reason)
        var lines = ["< \(version.rawValue) \(status)\(exchange)"]
        lines += response.headerFields.map { "< \($0.name.rawName): \(disclosed($0))" }
        line(lines.joined(separator: "\n"))
    }

    /// The output may be pasted anywhere, so it never contains credentials.
    func disclosed(_ field: HTTPField) -> String {
        let secrets: Set<String> = [
            "authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key",
        ]
        guard secrets.contains(field.name.canonicalName) else { return field.value }
        return "(\(field.value.utf8.count) bytes, not shown)"
    }
}
