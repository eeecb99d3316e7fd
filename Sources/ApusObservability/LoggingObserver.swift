public import Apus
public import Logging

/// Writes an engine's events to a swift-log logger, one line for each.
///
/// Success is logged at `debug`, failures at `info`, and conditions that need attention, such as a
/// certificate that is not verified, at `warning`. A failed dial is one line at `info`; the
/// requests that fail with it are logged at `debug`. No line holds a secret: routes are logged
/// without credentials, and fields of requests and responses are not logged. The tag of
/// `RequestOptions.metadata` is `apus.tag`, and its values are `apus.metadata.NAME`.
public struct LoggingObserver: EngineObserver {
    private let logger: Logger

    /// Creates an observer that logs to a logger.
    public init(_ logger: Logger) {
        self.logger = logger
    }

    /// Logs one event.
    public func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
        let level = event.level
        guard level >= logger.logLevel else { return }
        let (message, metadata) = event.line
        logger.log(level: level, "\(message)", metadata: metadata.mapValues { .string($0) })
    }
}

extension EngineEvent {
    fileprivate var level: Logger.Level {
        switch self {
        // The dial's own line has been written.
        case .exchangeFailed(_, let error) where error.isOfDial: .debug
        case .dialFailed, .exchangeFailed, .exchangeReplayed, .exchangeStalled,
            .staleAddressesUsed:
            .info
        case .shutdownStarted: .info
        case .shutdownFinished(let cut): cut.isEmpty ? .info : .notice
        case .engineDropped, .handshakeStepWasSlow, .http2Avoided, .proxyFailing,
            .responsesBuffered:
            .warning
        case .proxyRecovered: .notice
        case .connectionOpened(_, let route, _):
            route.skipsVerification ? .warning : .debug
        default: .debug
        }
    }

    /// The message and its metadata.
    fileprivate var line: (String, [String: String]) {
        switch self {
        case .exchangeBegun, .exchangeQueued, .exchangeStarted, .exchangeResponded,
            .exchangeBodyBegan, .exchangeStalled, .exchangeReplayed, .exchangeCompleted,
            .exchangeFailed, .exchangeCancelled:
            exchangeLine
        case .http2Avoided(let route, let evidence, let time):
            (
                "HTTP/2 fails on this way; HTTP/1.1 is used",
                [
                    "apus.route": "\(route)", "apus.duration": "\(time)",
                    "apus.evidence": evidence.map(\.rawValue).joined(separator: " "),
                ]
            )
        case .responsesBuffered(let route, let streams):
            (
                "event streams arrive whole at their end; a hop on this way buffers responses",
                ["apus.route": "\(route)", "apus.streams": "\(streams)"]
            )
        case .proxyFailing(let proxy, let target, let evidence, let time):
            (
                "proxy is failing; requests through it fail at once",
                [
                    "apus.proxy": proxy, "apus.duration": "\(time)",
                    "apus.evidence": evidence.map(\.rawValue).joined(separator: " "),
                ].adding(target: target)
            )
        case .proxyRecovered(let proxy, let target):
            ("proxy works again", ["apus.proxy": proxy].adding(target: target))
        case .shutdownStarted(let drain):
            ("engine shutting down", ["apus.drain": "\(drain)"])
        case .shutdownFinished(let cut):
            cut.isEmpty
                ? ("engine shut down", [:])
                : ("engine shut down, busy exchanges were cut", ["apus.cut": "\(cut)"])
        case .engineDropped(let connections, let exchanges):
            (
                "engine released without shutdown",
                ["apus.connections": "\(connections)", "apus.exchanges": "\(exchanges)"]
            )
        default: connectionLine
        }
    }

    private var connectionLine: (String, [String: String]) {
        switch self {
        case .dialStarted(let id, let route):
            ("dialling", ["apus.connection": "\(id)", "apus.route": "\(route)"])
        case .resolved(let id, let addresses):
            ("resolved", ["apus.connection": "\(id)", "apus.addresses": "\(addresses)"])
        case .staleAddressesUsed(let host, let age, let failure):
            (
                "name not resolved; addresses known before are used",
                [
                    "server.address": host, "apus.age": "\(age)", "error.message": failure,
                ]
            )
        case .connected(let id, let address):
            ("connected", ["apus.connection": "\(id)", "network.peer.address": address])
        case .tunnelled(let id, let proxy):
            ("tunnelled", ["apus.connection": "\(id)", "apus.proxy": proxy])
        case .proxySecured(let id, let proxy, let tls):
            (
                "proxy secured",
                [
                    "apus.connection": "\(id)", "apus.proxy": proxy,
                    "tls.protocol.version": tls.version, "tls.cipher": tls.cipher,
                ]
            )
        case .proxyChallenged(let id, let proxy):
            ("proxy asked for credentials", ["apus.connection": "\(id)", "apus.proxy": proxy])
        case .secured(let id, let tls):
            (
                "secured",
                [
                    "apus.connection": "\(id)", "tls.protocol.version": tls.version,
                    "tls.cipher": tls.cipher, "tls.resumed": "\(tls.isResumed)",
                ]
            )
        case .handshakeStepWasSlow(let id, let step):
            ("slow handshake step", ["apus.connection": "\(id)", "apus.step": "\(step)"])
        case .dialFailed(let id, let error):
            (
                "dial failed",
                [
                    "apus.connection": "\(id)", "error.type": error.kind.name,
                    "error.message": "\(error)",
                ]
            )
        case .connectionOpened(let id, let route, let facts):
            (
                level == .warning
                    ? "connection open; CERTIFICATE NOT VERIFIED" : "connection open",
                [
                    "apus.connection": "\(id)", "apus.route": "\(route)",
                    "network.peer.address": facts.remoteAddress,
                    "network.protocol.name": facts.protocolName,
                ]
            )
        case .connectionDraining(let id, let reason):
            (
                "connection draining",
                ["apus.connection": "\(id)", "apus.close_reason": reason.rawValue]
            )
        case .connectionClosed(let id, let route, let reason, let age):
            (
                "connection closed",
                [
                    "apus.connection": "\(id)", "apus.route": "\(route)",
                    "apus.close_reason": reason.rawValue, "apus.age": "\(age)",
                ]
            )
        default: ("engine event", [:])
        }
    }

    private var exchangeLine: (String, [String: String]) {
        switch self {
        case .exchangeBegun(let id, let method, let route, let metadata):
            (
                "request",
                [
                    "apus.exchange": "\(id)", "http.request.method": method,
                    "apus.route": "\(route)",
                ].adding(metadata)
            )
        case .exchangeQueued(let id, _, let cause, _):
            ("waiting", ["apus.exchange": "\(id)", "apus.waits_for": cause.rawValue])
        case .exchangeStarted(let id, let connection, let isReused):
            (
                "sending",
                [
                    "apus.exchange": "\(id)", "apus.connection": "\(connection)",
                    "apus.reused": "\(isReused)",
                ]
            )
        case .exchangeResponded(let id, let status):
            ("response", ["apus.exchange": "\(id)", "http.response.status_code": "\(status)"])
        case .exchangeBodyBegan(let id): ("body", ["apus.exchange": "\(id)"])
        case .exchangeStalled(let id, let wait, let silence):
            (
                "the peer is silent",
                [
                    "apus.exchange": "\(id)", "apus.wait": wait.rawValue,
                    "apus.silence": "\(silence)",
                ]
            )
        case .exchangeReplayed(let id, let error):
            (
                "sending again",
                [
                    "apus.exchange": "\(id)", "error.type": error.kind.name,
                    "error.message": "\(error)",
                ].adding(error.metadata)
            )
        case .exchangeCompleted(let summary): ("complete", metadata(of: summary))
        case .exchangeCancelled(let summary): ("cancelled", metadata(of: summary))
        case .exchangeFailed(let summary, let error):
            (
                "failed",
                metadata(of: summary).merging(metadata(of: error)) { $1 }
            )
        default: ("engine event", [:])
        }
    }

    private func metadata(of error: TransportError) -> [String: String] {
        var metadata = ["error.type": error.kind.name, "error.message": "\(error)"]
        if let cutter = error.connectionEnd?.cutBy { metadata["apus.cut_by"] = cutter.rawValue }
        return metadata
    }

    private func metadata(of summary: ExchangeSummary) -> [String: String] {
        var metadata = [
            "apus.exchange": "\(summary.exchange)", "http.request.method": summary.method,
            "apus.route": "\(summary.route)", "apus.duration": "\(summary.duration)",
            "http.request.body.size": "\(summary.bytesSent)",
            "http.response.body.size": "\(summary.bytesReceived)",
        ]
        if let status = summary.status { metadata["http.response.status_code"] = "\(status)" }
        if let connection = summary.connection { metadata["apus.connection"] = "\(connection)" }
        if summary.replays > 0 { metadata["http.request.resend_count"] = "\(summary.replays)" }
        return metadata.adding(summary.metadata)
    }
}

extension [String: String] {
    /// With the target to which alone a proxy fails, if there is one.
    fileprivate func adding(target: String?) -> [String: String] {
        guard let target else { return self }
        return merging(["apus.target": target]) { $1 }
    }

    /// With the metadata of a request.
    fileprivate func adding(_ metadata: RequestMetadata?) -> [String: String] {
        guard let metadata else { return self }
        var all = self
        if !metadata.tag.isEmpty { all["apus.tag"] = metadata.tag }
        for (name, value) in metadata.values { all["apus.metadata.\(name)"] = value }
        return all
    }
}
