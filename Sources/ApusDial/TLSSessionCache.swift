package import ApusCore
import ApusSocket
package import ApusTLS

/// Sessions to resume, per hop: never shared across a difference in any part of the way there.
///
/// Unchecked, because `sessions` is touched only with the lock held.
package final class TLSSessionCache: @unchecked Sendable {
    private static let maxHops = 1024

    /// A session, and the route whose connection it came by.
    private struct Kept {
        let session: TLSSession
        let route: Route
    }

    private let perHop: Int
    private let lock = Lock()
    private var sessions: [TLSHop: [Kept]] = [:]

    package init(perHop: Int) {
        self.perHop = perHop
    }

    package func add(_ session: TLSSession, for hop: TLSHop, from route: Route) {
        lock.withLock {
            if sessions[hop] == nil, sessions.count >= TLSSessionCache.maxHops {
                if let any = sessions.keys.first { sessions[any] = nil }
            }
            var list = sessions[hop] ?? []
            list.append(Kept(session: session, route: route))
            if list.count > perHop { list.removeFirst() }
            sessions[hop] = list
        }
    }

    /// Forgets what came by the routes that match.
    ///
    /// The predicate is called with no lock held.
    package func forget(where matches: (Route) -> Bool) {
        let routes = lock.withLock { Set(sessions.values.joined().map(\.route)) }
        let forgotten = routes.filter(matches)
        guard !forgotten.isEmpty else { return }
        lock.withLock {
            sessions = sessions.compactMapValues { list in
                let left = list.filter { !forgotten.contains($0.route) }
                return left.isEmpty ? nil : left
            }
        }
    }

    /// The newest session; one that may be used only once is taken out (RFC 8446, section C.4).
    ///
    /// Those of a context before `context` are of no use any more, and are let go.
    package func take(for hop: TLSHop, under context: TLSContext) -> TLSSession? {
        lock.withLock {
            while let kept = sessions[hop]?.last, !kept.session.isMade(under: context) {
                sessions[hop]?.removeLast()
            }
            guard let session = sessions[hop]?.last?.session else {
                sessions[hop] = nil
                return nil
            }
            if session.isSingleUse { sessions[hop]?.removeLast() }
            if sessions[hop]?.isEmpty == true { sessions[hop] = nil }
            return session
        }
    }

    /// Forgets every session.
    func removeAll() {
        lock.withLock { sessions = [:] }
    }
}
