import ApusCore
import ApusPool
import ApusSocket
import ApusTLS
import Synchronization

/// Starts dials for the pool and keeps what they share: loops, resolver, TLS contexts, sessions.
final class Dialer: Sendable {
    let tuning: EngineTuning
    let resolver: any Resolver
    let observer: (any EngineObserver)?
    let hooks: DialHooks
    let contexts = TLSContextCache()
    let sessions: TLSSessionCache
    let handshakes = HandshakeMeter()
    /// What the windows of all h2 connections may grow by.
    let windowBudget: EngineWindowBudget
    private let loops: [EventLoop]
    private let turn = Atomic<Int>(0)

    init(
        _ tuning: EngineTuning, resolver: any Resolver, loops: [EventLoop],
        observer: (any EngineObserver)?, hooks: DialHooks
    ) {
        self.tuning = tuning
        self.hooks = hooks
        self.resolver = resolver
        self.loops = loops
        self.observer = observer
        windowBudget = EngineWindowBudget(tuning.http2.windowBudget)
        sessions = TLSSessionCache(perHop: tuning.tls.maxSessionsPerRoute)
    }

    /// Whether a connection may live on another loop than the one that asks.
    var hasSeveralLoops: Bool { loops.count > 1 }

    /// Makes a connection and tells the pool what became of it.
    func dial(_ dial: PoolActions.Dial, for pool: ConnectionPool) -> Task<Void, Never> {
        let loop = nextLoop()
        // Detached: a dial may serve others than the one who caused it, so that nothing of that
        // one's task is theirs.
        return Task.detached(executorPreference: loop) {
            let connector = Connector(dial.connection, dial.route, self, on: loop)
            let revision = self.contexts.revision
            do throws(TransportError) {
                let connection = try await connector.connect(for: pool)
                pool.dialSucceeded(connection, dial.route)
                // A handshake that a reload overtook is as old as those before it.
                if self.contexts.revision != revision, dial.route.hasTLS {
                    pool.draining(connection, reason: .tlsReloaded)
                }
            } catch {
                pool.dialFailed(dial.connection, error)
            }
        }
    }

    /// Reads roots and identities anew; whether what is in use has changed.
    func reloadTLS() async -> Result<Bool, TLSError> {
        let result = await withUnsafeContinuation { continuation in
            contexts.reload(tuning.tls) { unsafe continuation.resume(returning: $0) }
        }
        if case .success(true) = result { sessions.removeAll() }
        return result
    }

    /// Keeps what the TLS layers of a wire have received: nothing, where settings resume nothing.
    func keepSessions(from wire: Wire) {
        while let (session, hop, route) = wire.nextSession() {
            sessions.add(session, for: hop, from: route)
        }
    }

    /// The caller's own loop when it runs on one, so that its request never changes threads.
    private func nextLoop() -> EventLoop {
        if let current = loops.first(where: \.isCurrent) { return current }
        let index = turn.add(1, ordering: .relaxed).oldValue
        return loops[index % loops.count]
    }
}

extension Route {
    /// Whether a TLS handshake stands on this way, with the origin or with a proxy.
    var hasTLS: Bool { origin.scheme == .https || proxies.contains { $0.kind == .https } }
}
