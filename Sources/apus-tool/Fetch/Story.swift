import Apus

/// `-v`: what the engine does, told line by line as curl tells it.
struct Story: EngineObserver {
    let console: Console

    func observe(_ event: EngineEvent) {
        console.line("* " + text(of: event))
    }

    private func text(of event: EngineEvent) -> String {
        switch event {
        case .dialStarted(let connection, let route):
            "connection \(connection): dialling \(route)"
        case .resolved(let connection, let addresses):
            "connection \(connection): addresses \(addresses.joined(separator: ", "))"
        case .dialFailed(let connection, let error):
            "connection \(connection): not made: \(error)"
        case .connectionOpened(let connection, let facts):
            "connection \(connection): \(text(of: facts))"
        case .connectionClosed(let connection, let reason):
            "connection \(connection): closed: \(words(for: reason))"
        case .exchangeQueued(let route):
            "waiting for a connection to \(route)"
        case .exchangeStarted(let connection, let isReused):
            isReused
                ? "reusing connection \(connection)" : "first exchange on connection \(connection)"
        case .exchangeReplayed(let error):
            "sending again after: \(error)"
        }
    }

    private func text(of facts: ConnectionFacts) -> String {
        var text = "open to \(facts.remoteAddress), speaking \(facts.protocolName)"
        if let tls = facts.tls {
            text += "; \(tls.version), \(tls.cipher), ALPN \(tls.alpn ?? "not answered")"
            if tls.isResumed { text += ", session resumed" }
        }
        let times: [(String, Duration)] = [
            ("resolved", facts.resolved), ("connected", facts.connected),
            ("secured", facts.secured),
        ]
        let parts = times.filter { $0.1 > .zero }
            .map { "\($0.0) \(($0.1.inSeconds * 1000).fixed(1)) ms" }
        return parts.isEmpty ? text : text + " (" + parts.joined(separator: ", ") + ")"
    }

    /// The case's name as words: "idleTimeout" is "idle timeout".
    private func words(for reason: CloseReason) -> String {
        "\(reason)".reduce(into: "") { words, character in
            words += character.isUppercase ? " " + character.lowercased() : String(character)
        }
    }
}

extension Console {
    /// Tells a request's head, each line behind `>`.
    func tell(_ request: HTTPRequest, exchange: String) {
        var lines = ["> \(request.method.rawValue) \(request.path ?? "/")\(exchange)"]
        if let authority = request.authority { lines.append("> authority: \(authority)") }
        lines += request.headerFields.map { "> \($0.name.rawName): \(disclosed($0))" }
        line(lines.joined(separator: "\n"))
    }

    /// Tells a response's head, each line behind `<`.
    func tell(_ response: HTTPResponse, version: HTTPVersion, exchange: String) {
        // HTTP/2 has no reason phrase.
        let reason = response.status.reasonPhrase
        let status = "\(response.status.code)" + (reason.isEmpty ? "" : " " + reason)
        var lines = ["< \(version.rawValue) \(status)\(exchange)"]
        lines += response.headerFields.map { "< \($0.name.rawName): \(disclosed($0))" }
        line(lines.joined(separator: "\n"))
    }

    /// A story may be pasted anywhere, so it never holds what proves who somebody is.
    private func disclosed(_ field: HTTPField) -> String {
        let secrets: Set<String> = [
            "authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key",
        ]
        guard secrets.contains(field.name.canonicalName) else { return field.value }
        return "(\(field.value.utf8.count) bytes, not shown)"
    }
}
