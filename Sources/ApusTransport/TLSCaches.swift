import ApusCore
import ApusSocket
import ApusTLS

/// Sessions to resume, per route: never shared across a difference in any part of it.
///
/// Unchecked, because `sessions` is touched only with the lock held.
final class TLSSessionCache: @unchecked Sendable {
    private static let maxRoutes = 1024

    private let perRoute: Int
    private let lock = Lock()
    private var sessions: [Route: [TLSSession]] = [:]

    init(perRoute: Int) {
        self.perRoute = perRoute
    }

    func add(_ session: TLSSession, for route: Route) {
        lock.withLock {
            if sessions[route] == nil, sessions.count >= TLSSessionCache.maxRoutes {
                if let any = sessions.keys.first { sessions[any] = nil }
            }
            var list = sessions[route] ?? []
            list.append(session)
            if list.count > perRoute { list.removeFirst() }
            sessions[route] = list
        }
    }

    /// Forgets what was kept for the routes that match.
    ///
    /// The predicate is called with no lock held.
    func forget(where matches: (Route) -> Bool) {
        let forgotten = lock.withLock { Array(sessions.keys) }.filter(matches)
        lock.withLock { for route in forgotten { sessions[route] = nil } }
    }

    /// The newest session; one that may be used only once is taken out (RFC 8446, section C.4).
    ///
    /// Those of a context before `context` are of no use any more, and are let go.
    func take(for route: Route, under context: TLSContext) -> TLSSession? {
        lock.withLock {
            while let session = sessions[route]?.last, !session.isMade(under: context) {
                sessions[route]?.removeLast()
            }
            guard let session = sessions[route]?.last else {
                sessions[route] = nil
                return nil
            }
            if session.isSingleUse { sessions[route]?.removeLast() }
            if sessions[route]?.isEmpty == true { sessions[route] = nil }
            return session
        }
    }

    /// Forgets every session.
    func removeAll() {
        lock.withLock { sessions = [:] }
    }
}
