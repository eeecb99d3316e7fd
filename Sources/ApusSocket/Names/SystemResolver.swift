package import ApusCore
import CApusLinux

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The system's resolver, `getaddrinfo`, on a bounded number of threads.
///
/// The call cannot be cancelled, so a cancelled caller returns at once; the late answer serves the
/// next caller. A thread ends when no lookup waits: an idle resolver has no thread.
///
/// Unchecked, because properties under "guarded" are accessed only with the lock held.
package final class SystemResolver: Resolver, @unchecked Sendable {
    private let maxThreads: Int
    /// The blocking call.
    private let lookUp: @Sendable (String) -> NameCache.Answer
    /// Hears of each answer that serves beyond its time.
    private let onStaleAnswer: StaleAnswer.Listener?
    private let lock = Lock()
    // Guarded.
    private var names: NameCache
    private var lookups: [NameCache.WaiterID: Lookup] = [:]
    private var lastID: NameCache.WaiterID = 0
    private var threads = 0

    /// - Parameter family: the family to resolve; `nil` resolves all, in the system's own order.
    package convenience init(
        _ tuning: EngineTuning.Dial, family: SocketAddress.Family? = nil,
        onStaleAnswer: StaleAnswer.Listener? = nil
    ) {
        let number = family == .ipv4 ? AF_INET : family == .ipv6 ? AF_INET6 : AF_UNSPEC
        self.init(tuning, onStaleAnswer: onStaleAnswer) { SystemResolver.look(up: $0, number) }
    }

    /// - Parameters:
    ///   - onStaleAnswer: is called on a resolver thread, with no lock held.
    ///   - lookUp: resolves a name; it may block, and is called on a resolver thread.
    package init(
        _ tuning: EngineTuning.Dial, onStaleAnswer: StaleAnswer.Listener? = nil,
        lookUp: @escaping @Sendable (String) -> NameCache.Answer
    ) {
        self.onStaleAnswer = onStaleAnswer
        maxThreads = tuning.resolverThreads
        names = NameCache(tuning)
        self.lookUp = lookUp
    }

    package func resolve(host: String, port: UInt16) async throws(ResolveError) -> [SocketAddress] {
        try await resolve(host: host, port: port, in: nil)
    }

    /// As `resolve(host:port:)`, for an isolation scope.
    package func resolve(
        host: String, port: UInt16, in scope: IsolationScope?
    ) async throws(ResolveError) -> [SocketAddress] {
        if let addresses = SpecialNames.addresses(of: host, port: port) { return addresses }
        let lookup = Lookup(host: host, scope: scope)
        let result = await withTaskCancellationHandler {
            if let answer = ask(lookup) { return answer }
            return await lookup.answer.wait()
        } onCancel: {
            lookup.answer.give(.failure(.cancelled))
            forget(lookup)
        }
        return try result.get().map { $0.with(port: port) }
    }

    package func addressesFailed(host: String) {
        lock.withLock { names.forget(host) }
    }

    /// Asks for the lookup's name; `nil` when the answer will come later.
    private func ask(_ lookup: Lookup) -> NameCache.Answer? {
        let (answer, mustStart) = lock.withLock { () -> (NameCache.Answer?, Bool) in
            // An earlier cancellation is checked with the lock held, so that the lookup is never
            // queued forever.
            guard !lookup.answer.isGiven else { return (nil, false) }
            lastID += 1
            switch names.ask(for: lookup.host, in: lookup.scope, waiter: lastID, now: .now()) {
            case .known(let answer): return (answer, false)
            case .refused: return (.failure(.overloaded), false)
            case .waits: break
            }
            lookup.id = lastID
            lookups[lastID] = lookup
            guard names.hasQueuedNames, threads < maxThreads else { return (nil, false) }
            threads += 1
            return (nil, true)
        }
        if mustStart, !DetachedThread.start(named: "apus-resolver", { self.run() }) {
            threadIsMissing()
        }
        return answer
    }

    /// A cancelled lookup must not delay those that still wait.
    private func forget(_ lookup: Lookup) {
        lock.withLock {
            guard let id = lookup.id, lookups.removeValue(forKey: id) != nil else { return }
            names.cancel(id, for: lookup.host)
        }
    }

    /// Without any thread no lookup would ever be answered.
    private func threadIsMissing() {
        lock.withLock { threads -= 1 }
        let failure = NameCache.Answer.failure(
            .temporary(message: "no resolver thread could be made"))
        while let name = lock.withLock({ nextOrphan() }) { answer(name, failure) }
    }

    /// With the lock held: a name that no thread will look up; `nil` when there is none.
    private func nextOrphan() -> String? {
        threads == 0 ? names.nextName() : nil
    }

    private func run() {
        while true {
            let next = lock.withLock { () -> String? in
                let next = names.nextName()
                if next == nil { threads -= 1 }
                return next
            }
            guard let next else { return }
            answer(next, lookUp(next))
        }
    }

    private func answer(_ name: String, _ answer: NameCache.Answer) {
        let (waiting, staleAge) = lock.withLock {
            let answered = names.answered(name, answer, now: .now())
            let waiting = answered.deliveries.compactMap { waiter, answer in
                lookups.removeValue(forKey: waiter).map { ($0, answer) }
            }
            return (waiting, answered.staleAge)
        }
        if let staleAge, case .failure(.temporary(let message)) = answer {
            onStaleAnswer?(StaleAnswer(host: name, age: staleAge, failure: message))
        }
        for (lookup, answer) in waiting { lookup.answer.give(answer) }
    }

    /// The blocking call.
    private static func look(up host: String, _ family: Int32) -> NameCache.Answer {
        var hints = addrinfo()
        hints.ai_family = family
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, nil, &hints, &list)
        defer { if let list = unsafe list { unsafe freeaddrinfo(list) } }
        guard code == 0 else {
            let message = unsafe String(cString: gai_strerror(code))
            let isTemporary = code == EAI_AGAIN || code == EAI_SYSTEM || code == EAI_MEMORY
            return .failure(
                isTemporary ? .temporary(message: message) : .notFound(message: message))
        }
        var addresses: [SocketAddress] = []
        var entry = unsafe list
        while let current = unsafe entry {
            if let pointer = unsafe current.pointee.ai_addr,
                let address = unsafe SocketAddress(pointer, length: current.pointee.ai_addrlen)
            {
                addresses.append(address)
            }
            unsafe entry = current.pointee.ai_next
        }
        return addresses.isEmpty ? .failure(.notFound(message: "no address")) : .success(addresses)
    }
}

/// Addresses that serve beyond their time, because their name cannot be looked up for the moment.
package struct StaleAnswer: Sendable {
    package typealias Listener = @Sendable (StaleAnswer) -> Void

    package let host: String
    /// Since they were looked up.
    package let age: Duration
    /// Why the lookup failed.
    package let failure: String
}

/// One caller's wait for one name; the thread or the cancellation, whichever is first, answers it.
///
/// Unchecked, because `id` is accessed only with the resolver's lock held; the rest is constant.
private final class Lookup: @unchecked Sendable {
    let host: String
    let scope: IsolationScope?
    let answer = FirstAnswer<NameCache.Answer>()
    /// Its number among the waiters.
    var id: NameCache.WaiterID?

    init(host: String, scope: IsolationScope?) {
        self.host = host
        self.scope = scope
    }
}
