import ApusCore
import ApusSocket
import ApusTLS

/// TLS contexts by what they trust, present and offer: equal settings share one.
///
/// Making one reads its roots from disk, 15 ms for a system's store, so a thread of its own does
/// it, one context after the other; everybody who wants the same one waits for the same making.
///
/// Unchecked, because its state is touched only with the lock held.
final class TLSContextCache: @unchecked Sendable {
    private struct Key: Hashable {
        let settings: EngineTuning.TLS
        let alpn: [String]
    }
    typealias Made = Result<TLSContext, TLSError>

    /// An engine has few TLS settings; whoever churns through more pays for making them again.
    private static let maxContexts = 64

    private let lock = Lock()
    private var contexts: [Key: TLSContext] = [:]
    /// Who waits for which context.
    private var waiting: [Key: [@Sendable (Made) -> Void]] = [:]
    /// What is still to be made, in the order of asking.
    private var queue: [Key] = []
    private var hasThread = false

    /// The context for these settings, if it was made before.
    func made(_ settings: EngineTuning.TLS, alpn: [String]) -> TLSContext? {
        let key = Key(settings: settings, alpn: alpn)
        return lock.withLock { contexts[key] }
    }

    /// Makes the context for these settings and hands it over, usually on another thread.
    func make(
        _ settings: EngineTuning.TLS, alpn: [String],
        then finish: @escaping @Sendable (Made) -> Void
    ) {
        let key = Key(settings: settings, alpn: alpn)
        let (known, mustStart) = lock.withLock { () -> (TLSContext?, Bool) in
            if let context = contexts[key] { return (context, false) }
            if waiting[key] == nil { queue.append(key) }
            waiting[key, default: []].append(finish)
            defer { hasThread = true }
            return (nil, !hasThread)
        }
        if let known { return finish(.success(known)) }
        guard mustStart else { return }
        // Without a thread it is made here: late is better than never.
        if !DetachedThread.start(named: "apus-tls", { self.run() }) { run() }
    }

    private func run() {
        while true {
            let next = lock.withLock { () -> Key? in
                hasThread = !queue.isEmpty
                return queue.isEmpty ? nil : queue.removeFirst()
            }
            guard let next else { return }
            let made: Made
            do throws(TLSError) {
                made = .success(try TLSContext(next.settings, alpn: next.alpn))
            } catch {
                made = .failure(error)
            }
            let waiters = lock.withLock { () -> [@Sendable (Made) -> Void] in
                if case .success(let context) = made {
                    if contexts.count >= TLSContextCache.maxContexts { contexts.removeAll() }
                    contexts[next] = context
                }
                return waiting.removeValue(forKey: next) ?? []
            }
            for finish in waiters { finish(made) }
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
