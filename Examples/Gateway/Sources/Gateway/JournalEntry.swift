package import Apus
package import Logging

/// What the gateway knows of one request.
package struct JournalEntry: Sendable, Codable {
    /// The request's number, which the engine's own log lines carry as their tag.
    package let number: Int
    package let method: String
    /// The path without its query, which may hold secrets.
    package let path: String
    package let upstream: String
    /// The credential that brought the answer or the last error.
    package var credential: String?
    package var status: Int?
    /// The engine's connection, and whether it had carried an exchange before.
    package var connection: UInt64?
    package var isReused = false
    /// How many credentials were tried.
    package var tries = 1
    package var bytesSent = 0
    package var bytesReceived = 0
    /// Seconds until the request had a connection.
    package var queued: Double?
    /// Seconds until the first byte of the answer's body arrived.
    package var firstByte: Double?
    package var seconds = 0.0
    package var usage = Usage()
    package var outcome = Outcome.complete
    /// The error and what may be done about it; empty when there was none.
    package var verdict = ""
    package private(set) var began = ContinuousClock.now

    /// How a request ended.
    package enum Outcome: String, Sendable, Codable {
        /// The whole answer was passed on, whatever its status.
        case complete
        /// The client went before the end.
        case clientGone = "client gone"
        /// The upstream or the way to it failed.
        case failed
    }

    private enum CodingKeys: CodingKey {
        case number, method, path, upstream, credential, status, connection, isReused, tries
        case bytesSent, bytesReceived, queued, firstByte, seconds, usage, outcome, verdict
    }

    package init(number: Int, _ request: HTTPRequest, upstream: String) {
        self.number = number
        self.upstream = upstream
        method = request.method.rawValue
        path = request.path.map { String($0.prefix { $0 != "?" }) } ?? ""
    }

    /// Seconds since it began.
    package var elapsed: Double { (ContinuousClock.now - began).inSeconds }

    /// Takes over the facts of an exchange.
    package mutating func take(_ info: ExchangeInfo) {
        credential = info.tries.last?.choice
        tries = max(1, info.tries.count)
        connection = info.connectionID
        isReused = info.isReused
        bytesSent = Int(info.bytesSent)
        queued = info.queued?.inSeconds
    }

    /// The entry with the facts of an error.
    package func failed(_ error: TransportError) -> JournalEntry {
        var entry = self
        entry.credential = error.tries.last?.choice
        entry.tries = max(1, error.tries.count)
        entry.connection = error.connectionID
        entry.isReused = error.isReused
        entry.bytesSent = Int(error.bytesSent)
        entry.outcome = error.isCancelled ? .clientGone : .failed
        entry.verdict =
            "\(error.kind.name) in phase \(error.phase.rawValue), \(error.advice.rawValue)"
        return entry
    }

    /// The fields of its line in the access log.
    package var metadata: Logger.Metadata {
        var fields: Logger.Metadata = [
            "request": "\(number)", "method": "\(method)", "path": "\(path)",
            "upstream": "\(upstream)", "tries": "\(tries)", "sent": "\(bytesSent)",
            "received": "\(bytesReceived)", "reused": "\(isReused)",
            "outcome": "\(outcome.rawValue)",
            "seconds": "\(seconds.rounded(places: 4))",
        ]
        if !verdict.isEmpty { fields["verdict"] = "\(verdict)" }
        if let credential { fields["credential"] = "\(credential)" }
        if let status { fields["status"] = "\(status)" }
        if let connection { fields["connection"] = "\(connection)" }
        if let queued { fields["queued"] = "\(queued.rounded(places: 4))" }
        if let firstByte { fields["first_byte"] = "\(firstByte.rounded(places: 4))" }
        if usage != Usage() {
            fields["input_tokens"] = "\(usage.input)"
            fields["output_tokens"] = "\(usage.output)"
        }
        return fields
    }
}

extension Duration {
    package var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}

extension Double {
    /// Rounded to so many decimal places.
    package func rounded(places: Int) -> Double {
        let scale = (0..<places).reduce(1.0) { scale, _ in scale * 10 }
        return (self * scale).rounded() / scale
    }
}
