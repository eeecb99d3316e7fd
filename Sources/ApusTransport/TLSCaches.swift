import ApusCore
import ApusSocket
import ApusTLS

/// TLS contexts by what they trust, present and offer: equal settings share one.
///
/// Unchecked, because `contexts` is touched only with the lock held.
final class TLSContextCache: @unchecked Sendable {
    private struct Key: Hashable {
        let settings: EngineTuning.TLS
        let alpn: [String]
    }

    /// An engine has few TLS settings; whoever churns through more pays for making them again.
    private static let maxContexts = 64

    private let lock = Lock()
    private var contexts: [Key: TLSContext] = [:]

    /// The context for these settings, made when it is first asked for.
    ///
    /// Making one reads the roots from disk, a few milliseconds, once per settings.
    func context(_ settings: EngineTuning.TLS, alpn: [String]) throws(TLSError) -> TLSContext {
        let key = Key(settings: settings, alpn: alpn)
        return try lock.withLock { () throws(TLSError) in
            if let context = contexts[key] { return context }
            let context = try TLSContext(settings, alpn: alpn)
            if contexts.count >= TLSContextCache.maxContexts { contexts.removeAll() }
            contexts[key] = context
            return context
        }
    }
}

/// Sessions to resume, per route: never shared across a difference in any part of it.
///
/// Unchecked, because `sessions` is touched only with the lock held.
final class TLSSessionCache: @unchecked Sendable {
    private static let maxRoutes = 4096

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

    /// The newest session; one that may be used only once is taken out (RFC 8446, section C.4).
    func take(for route: Route) -> TLSSession? {
        lock.withLock {
            guard let session = sessions[route]?.last else { return nil }
            if session.isSingleUse { sessions[route]?.removeLast() }
            if sessions[route]?.isEmpty == true { sessions[route] = nil }
            return session
        }
    }
}
