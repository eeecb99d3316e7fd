import Apus

/// The facts of one exchange at its end: a line of `--json`.
struct ExchangeRecord {
    let url: String
    var response: Response?
    var trailers: HTTPFields?
    var bodyBytes: UInt64 = 0
    var bodyDigest = ""
    var failure: ExchangeFailure?

    var json: JSON {
        let info = response?.info
        var members: [(key: String, value: JSON)] = [
            ("url", .string(url)),
            ("status", .integer(response?.head.status.code)),
            ("http_version", .string(response?.version.number)),
            ("fields", fields(response?.head.headerFields ?? [:])),
            ("trailers", fields(trailers ?? [:])),
            ("informational", .array((response?.informational ?? []).map(informational))),
            ("body_bytes", .integer(bodyBytes)),
            ("body_sha256", .string(response == nil ? nil : bodyDigest)),
            ("complete", .bool(failure == nil)),
            ("reused", info.map { .bool($0.isReused) } ?? .null),
            ("connection", .integer(info?.connectionID ?? failure?.connectionID)),
            ("remote", .string(info?.connection.remoteAddress ?? failure?.remoteAddress)),
            ("tls", info?.connection.tls.map(tls) ?? .null),
            ("timings_us", info.map(timings) ?? .null),
            ("final_url", .string(info?.url)),
            ("tries", .array((info?.tries ?? failure?.tries ?? []).map(attempt))),
        ]
        if let failure { members.append(("error", failure.json)) }
        return .object(members)
    }

    private func fields(_ fields: HTTPFields) -> JSON {
        .array(fields.map { .array([.string($0.name.rawName), .string($0.value)]) })
    }

    private func informational(_ response: HTTPResponse) -> JSON {
        .object([
            ("status", .integer(response.status.code)), ("fields", fields(response.headerFields)),
        ])
    }

    /// One of several tries; its result is a status or the name of an error's kind.
    private func attempt(_ attempt: Try) -> JSON {
        var result: (key: String, value: JSON)
        switch attempt.outcome {
        case .status(let code): result = ("status", .integer(code))
        case .failed(let error): result = ("error", .string(error.kind.name))
        }
        return .object([
            result, ("url", .string(attempt.url)), ("connection", .integer(attempt.connectionID)),
            ("pause_us", .microseconds(attempt.pause)),
            ("duration_us", .microseconds(attempt.duration)),
        ])
    }

    private func tls(_ facts: ConnectionFacts.TLSFacts) -> JSON {
        .object([
            ("version", .string(facts.version)), ("cipher", .string(facts.cipher)),
            ("alpn", .string(facts.alpn)), ("resumed", .bool(facts.isResumed)),
            ("certificates", .array(facts.certificates.map(certificate))),
        ])
    }

    private func certificate(_ facts: CertificateFacts) -> JSON {
        .object([
            ("subject", .string(facts.subject)), ("issuer", .string(facts.issuer)),
            ("serial", .string(facts.serialNumber)), ("not_after", .string(facts.notAfter)),
            ("pin", .string(facts.publicKey?.description)),
        ])
    }

    /// Times since the call; names, TCP and TLS only where the connection was made for this
    /// exchange.
    private func timings(_ info: ExchangeInfo) -> JSON {
        let dial = info.isReused ? nil : info.connection
        return .object([
            ("queued", .microseconds(info.queued)),
            ("resolved", .microseconds(dial?.resolved)),
            ("connected", .microseconds(dial?.connected)),
            ("secured", .microseconds(dial?.tls == nil ? nil : dial?.secured)),
            ("sent", .microseconds(info.sent)),
            ("head", .microseconds(info.head)),
            ("done", .microseconds(info.done)),
        ])
    }
}

/// Why an exchange did not complete.
struct ExchangeFailure {
    let kind: String
    let phase: String
    let message: String
    let replay: TransportError.Replay
    let bytesSent: UInt64
    let bytesReceived: UInt64
    /// The number of the connection; `nil` without one.
    let connectionID: UInt64?
    let remoteAddress: String?
    let tries: [Try]
    /// The whole error on one line.
    let text: String
    /// The response of a proxy that refused.
    let proxyAnswer: TransportError.ProxyAnswer?
    /// How it ended on its connection.
    let connectionEnd: ConnectionEnd?

    init(_ error: TransportError) {
        kind = error.kind.name
        phase = error.phase.rawValue
        message = error.message
        replay = error.replay
        bytesSent = error.bytesSent
        bytesReceived = error.bytesReceived
        connectionID = error.connectionID
        remoteAddress = error.remoteAddress
        tries = error.tries
        text = error.description
        proxyAnswer = error.proxyAnswer
        connectionEnd = error.connectionEnd
    }

    /// A request that cannot be sent as it is.
    init(_ error: InvalidRequest) {
        self.init(TransportError(error))
    }

    /// A response that arrived but could not be written.
    init(_ error: ToolError, received: UInt64) {
        kind = "output"
        phase = TransportError.Phase.body.rawValue
        message = error.description
        replay = .responseStarted
        bytesSent = 0
        bytesReceived = received
        connectionID = nil
        remoteAddress = nil
        tries = []
        text = error.description
        proxyAnswer = nil
        connectionEnd = nil
    }

    var json: JSON {
        .object([
            ("kind", .string(kind)), ("phase", .string(phase)), ("message", .string(message)),
            ("replay", .string(replay.rawValue)), ("bytes_sent", .integer(bytesSent)),
            ("bytes_received", .integer(bytesReceived)), ("proxy", proxyAnswer.map(proxy) ?? .null),
            ("connection_end", connectionEnd.map(ending) ?? .null),
        ])
    }

    private func ending(_ end: ConnectionEnd) -> JSON {
        .object([
            ("sign", .string(end.sign.rawValue)), ("cut_by", .string(end.cutBy?.rawValue)),
            ("age_us", .microseconds(end.age)),
            ("since_received_us", .microseconds(end.sinceReceived)),
            ("since_sent_us", .microseconds(end.sinceSent)),
            ("silence_us", .microseconds(end.silence)),
            ("since_goaway_us", .microseconds(end.sinceGoAway)),
            ("bytes_written", end.bytesWritten.map { .integer(Int(clamping: $0)) } ?? .null),
            (
                "bytes_acknowledged",
                end.bytesAcknowledged.map { .integer(Int(clamping: $0)) } ?? .null
            ),
            ("pings", .integer(end.pings)), ("pings_answered", .integer(end.pingsAnswered)),
            ("silence_limit_us", .microseconds(end.silenceLimit)),
            ("silence_limit_seen", .integer(end.silenceLimitSeen)),
            ("next_ping_after_us", .microseconds(end.nextPingAfter)),
        ])
    }

    private func proxy(_ answer: TransportError.ProxyAnswer) -> JSON {
        .object([
            ("status", .integer(answer.status)),
            (
                "fields",
                .array(
                    answer.fields.map {
                        .array([.string($0.name.rawName), .string($0.value)])
                    })
            ),
            ("body", .string(String(answer.body))),
        ])
    }
}

extension HTTPVersion {
    /// As curl writes it: "1.1" or "2".
    var number: String {
        switch self {
        case .http1: "1.1"
        case .http2: "2"
        }
    }
}
