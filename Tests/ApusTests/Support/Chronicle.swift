import Apus
import LoopFixtures

/// Records an engine's events, so that a test can compare their order.
final class Chronicle: EngineObserver {
    private let kept = Guarded<[EngineEvent]>([])

    private let begun = Guarded<[UInt64]>([])

    /// The beginnings of bodies are kept apart: whether one is reported before the response's end
    /// is the peer's doing, and few tests ask for it.
    func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
        if case .exchangeBodyBegan(let exchange) = event {
            begun.withLock { $0.append(exchange) }
        } else {
            kept.withLock { $0.append(event) }
        }
    }

    /// The exchanges whose bodies have begun.
    var bodies: [UInt64] { begun.withLock { $0 } }

    var events: [EngineEvent] { kept.withLock { $0 } }
    /// Every event in a word or two, without numbers.
    var words: [String] { events.map(\.words) }

    /// The events of one exchange.
    func words(ofExchange number: UInt64) -> [String] {
        events.filter { $0.exchange == number }.map(\.words)
    }

    /// The events of the connection that was dialled as number `index`, from 0.
    func words(ofConnection index: Int) -> [String] {
        let events = events
        let dialled = events.compactMap { event in
            if case .dialStarted(let id, _) = event { id } else { nil as UInt64? }
        }
        guard index < dialled.count else { return [] }
        return events.filter { $0.connection == dialled[index] }.map(\.words)
    }
}

extension EngineEvent {
    /// Which exchange it belongs to.
    var exchange: UInt64? {
        switch self {
        case .exchangeBegun(let id, _, _, _), .exchangeQueued(let id, _, _, _),
            .exchangeStarted(let id, _, _), .exchangeResponded(let id, _),
            .exchangeReplayed(let id, _), .exchangeBodyBegan(let id),
            .exchangeStalled(let id, _, _):
            id
        case .exchangeCompleted(let summary), .exchangeCancelled(let summary),
            .exchangeFailed(let summary, _):
            summary.exchange
        default: nil
        }
    }

    /// Which connection it belongs to; an exchange's own events belong to none.
    var connection: UInt64? {
        switch self {
        case .dialStarted(let id, _), .resolved(let id, _), .connected(let id, _),
            .proxySecured(let id, _, _), .proxyChallenged(let id, _), .tunnelled(let id, _),
            .secured(let id, _), .handshakeStepWasSlow(let id, _), .dialFailed(let id, _),
            .connectionOpened(let id, _, _), .connectionDraining(let id, _),
            .connectionClosed(let id, _, _, _):
            id
        default: nil
        }
    }

    var words: String {
        switch self {
        case .dialStarted: "dialling"
        case .resolved: "resolved"
        case .staleAddressesUsed: "stale addresses"
        case .connected: "connected"
        case .proxySecured: "proxy secured"
        case .proxyChallenged: "asked"
        case .tunnelled: "tunnelled"
        case .secured: "secured"
        case .handshakeStepWasSlow: "slow step"
        case .dialFailed(_, let error): "dial failed: \(error.kind.name)"
        case .connectionOpened: "opened"
        case .connectionDraining(_, let reason): "draining: \(reason)"
        case .connectionClosed(_, _, let reason, _): "closed: \(reason)"
        case .exchangeBegun(_, let method, _, _): "begun \(method)"
        case .exchangeQueued(_, _, let cause, _): "queued for \(cause.rawValue)"
        case .exchangeStarted(_, _, let isReused): isReused ? "started, reused" : "started"
        case .exchangeResponded(_, let status): "status \(status)"
        case .exchangeBodyBegan: "body"
        case .exchangeStalled(_, let wait, _): "stalled: \(wait.rawValue)"
        case .exchangeReplayed(_, let error): "replayed: \(error.kind.name)"
        case .exchangeCompleted: "completed"
        case .exchangeFailed(_, let error): "failed: \(error.kind.name)"
        case .exchangeCancelled: "cancelled"
        case .http2Avoided(_, let evidence, _):
            "HTTP/2 avoided: \(evidence.map(\.rawValue).joined(separator: " "))"
        case .uploadsAvoidHTTP2(_, let length, _): "uploads of \(length) avoid HTTP/2"
        case .responsesBuffered(_, let streams): "\(streams) streams buffered"
        case .proxyFailing(_, let target, let evidence, _):
            "proxy failing\(target == nil ? "" : " to a target"): "
                + evidence.map(\.rawValue).joined(separator: " ")
        case .proxyRecovered(_, let target):
            "proxy recovered\(target == nil ? "" : " to a target")"
        case .shutdownStarted: "shutdown started"
        case .shutdownFinished(let cut): "shutdown finished, \(cut.count) cut"
        case .engineDropped(let connections, let exchanges):
            "dropped with \(connections) connections, \(exchanges) exchanges"
        }
    }
}
