package import ApusConnection
package import ApusCore
package import ApusSocket
package import ApusTLS
import Synchronization

/// What a dial reports its end to: the pool.
package protocol DialDelegate: ConnectionKeeper {
    /// The connection is there, and may carry exchanges.
    ///
    /// Called on the connection's loop, before anything can have happened to it.
    func dialSucceeded(_ connection: any LiveConnection, _ route: Route)
    /// There is no connection, and this is why.
    func dialFailed(_ id: ConnectionID, _ error: TransportError)
}

/// Starts dials for the pool and keeps what they share: loops, resolver, TLS contexts, sessions.
package final class Dialer: Sendable {
    package let tuning: EngineTuning
    package let resolver: any Resolver
    let observer: EventReporter?
    package let hooks: DialHooks
    let contexts = TLSContextCache()
    package let sessions: TLSSessionCache
    package let handshakes = HandshakeMeter()
    package let proxies: ProxyWatch
    package let ways: WayWatch
    /// What the windows of all h2 connections may grow by.
    let windowBudget: EngineWindowBudget
    private let loops: [EventLoop]
    /// So many for each of the loops.
    private let recentFields: [[HTTP1RecentFields]]
    private static let recentFieldsPerLoop = 16
    private let turn = Atomic<Int>(0)

    package init(
        _ tuning: EngineTuning, resolver: any Resolver, loops: [EventLoop],
        observer: EventReporter?, hooks: DialHooks
    ) {
        self.tuning = tuning
        self.hooks = hooks
        self.resolver = resolver
        self.loops = loops
        recentFields = loops.map { _ in
            (0..<Dialer.recentFieldsPerLoop).map { _ in HTTP1RecentFields() }
        }
        self.observer = observer
        proxies = ProxyWatch(tuning.pool, observer: observer)
        ways = WayWatch(tuning.http2)
        windowBudget = EngineWindowBudget(tuning.http2.windowBudget)
        sessions = TLSSessionCache(perHop: tuning.tls.maxSessionsPerRoute)
    }

    /// Whether a connection may live on another loop than the one that asks.
    var hasSeveralLoops: Bool { loops.count > 1 }

    /// The number of the loop that the caller runs on; `nil` where it runs on none, or there is but
    /// one.
    package var callersLoop: Int? {
        hasSeveralLoops ? loops.firstIndex(where: \.isCurrent) : nil
    }

    /// The number of a loop among those of the engine; `nil` for any other loop.
    package func number(of loop: EventLoop) -> Int? {
        loops.firstIndex { $0 === loop }
    }

    /// What the HTTP/1.1 connections of a loop to one origin share; few origins share one.
    func recentFields(of origin: Origin, on loop: EventLoop) -> HTTP1RecentFields {
        guard let number = number(of: loop) else { return HTTP1RecentFields() }
        let shared = recentFields[number]
        return shared[Int(UInt(bitPattern: origin.hashValue) % UInt(shared.count))]
    }

    /// Makes a connection and reports what became of it.
    package func dial(
        _ id: ConnectionID, _ route: Route, for delegate: any DialDelegate
    ) -> Task<Void, Never> {
        let loop = nextLoop()
        // Detached: a dial may serve others than the one who caused it, so that nothing of that
        // one's task is theirs.
        return Task.detached(executorPreference: loop) {
            if let error = self.proxies.begins(id, route) {
                return delegate.dialFailed(id, error)
            }
            let connector = Connector(id, route, self, on: loop)
            let revision = self.contexts.revision
            do throws(TransportError) {
                let connection = try await connector.connect(for: delegate)
                // A handshake that a reload overtook is as old as those before it.
                if self.contexts.revision != revision, route.hasTLS {
                    delegate.draining(connection, reason: .tlsReloaded)
                }
            } catch {
                delegate.dialFailed(id, error)
            }
        }
    }

    /// Reads roots and identities anew; whether what is in use has changed.
    package func reloadTLS() async -> Result<Bool, TLSError> {
        let result = await withUnsafeContinuation { continuation in
            contexts.reload(tuning.tls) { unsafe continuation.resume(returning: $0) }
        }
        if case .success(true) = result { sessions.removeAll() }
        return result
    }

    /// The caller's own loop when it runs on one, so that its request never changes threads.
    private func nextLoop() -> EventLoop {
        if let current = loops.first(where: \.isCurrent) { return current }
        let index = turn.add(1, ordering: .relaxed).oldValue
        return loops[index % loops.count]
    }
}

extension Route {
    /// Whether this route has a TLS handshake, with the origin or with a proxy.
    package var hasTLS: Bool { origin.scheme == .https || proxies.contains { $0.kind == .https } }
}
