package import ApusCore
import CApusLinux
import Glibc

/// The system's own resolver, `getaddrinfo`, on a bounded number of its own threads.
///
/// The call cannot be cancelled, so a caller that is cancelled goes at once and the thread's late
/// answer is dropped. A thread ends when nothing waits: an idle resolver holds none.
///
/// Unchecked, because `waiting` and `threads` are touched only with the lock held.
package final class SystemResolver: Resolver, @unchecked Sendable {
    private let maxThreads: Int
    private let maxWaiting: Int
    private let lock = Lock()
    private var waiting: [Lookup] = []
    private var threads = 0

    package init(_ tuning: EngineTuning.Dial) {
        maxThreads = tuning.resolverThreads
        maxWaiting = tuning.maxPendingLookups
    }

    package func resolve(host: String, port: UInt16) async throws(ResolveError) -> [SocketAddress] {
        if let address = SocketAddress(literal: host, port: port) { return [address] }
        if let addresses = SystemResolver.localhost(host, port: port) { return addresses }
        let lookup = Lookup(host: host)
        let result = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                lookup.wait(continuation)
                guard add(lookup) else { return lookup.finish(.failure(.overloaded)) }
            }
        } onCancel: {
            lookup.finish(.failure(.cancelled))
            // It must not stand in the way of those who still wait.
            lock.withLock { waiting.removeAll { $0 === lookup } }
        }
        return try result.get().map { $0.with(port: port) }
    }

    /// `localhost` and all names below it are the loopback addresses (RFC 6761, section 6.3).
    private static func localhost(_ host: String, port: UInt16) -> [SocketAddress]? {
        guard host == "localhost" || host.hasSuffix(".localhost") else { return nil }
        return ["127.0.0.1", "::1"].compactMap { SocketAddress(literal: $0, port: port) }
    }

    /// Queues the lookup; `false` when too many wait already.
    private func add(_ lookup: Lookup) -> Bool {
        enum Decision { case refused, queued, spawn }
        let decision = lock.withLock { () -> Decision in
            // Cancelled before: looked at with the lock held, so that it is never queued for good.
            guard lookup.isWanted else { return .queued }
            guard waiting.count < maxWaiting else { return .refused }
            waiting.append(lookup)
            guard threads < maxThreads else { return .queued }
            threads += 1
            return .spawn
        }
        if decision == .spawn { spawnThread() }
        return decision != .refused
    }

    private func spawnThread() {
        let context = Unmanaged.passRetained(self)
        var thread = pthread_t()
        guard unsafe pthread_create(&thread, nil, runResolverThread, context.toOpaque()) == 0 else {
            unsafe context.release()
            let orphans = lock.withLock { () -> [Lookup] in
                threads -= 1
                guard threads == 0 else { return [] }
                defer { waiting.removeAll() }
                return waiting
            }
            for lookup in orphans {
                lookup.finish(.failure(.temporary(message: "no thread could be made")))
            }
            return
        }
        pthread_detach(thread)
    }

    fileprivate func run() {
        unsafe capus_name_thread("apus-resolver")
        while true {
            let next = lock.withLock { () -> Lookup? in
                guard !waiting.isEmpty else {
                    threads -= 1
                    return nil
                }
                return waiting.removeFirst()
            }
            guard let next else { return }
            if next.isWanted { next.finish(SystemResolver.look(up: next.host)) }
        }
    }

    /// The blocking call itself.
    private static func look(up host: String) -> Result<[SocketAddress], ResolveError> {
        var hints = addrinfo()
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

/// One caller's wait for one name; whoever finishes it first, the thread or the cancellation, wins.
///
/// Unchecked, because its state is touched only with the lock held.
private final class Lookup: @unchecked Sendable {
    typealias Answer = Result<[SocketAddress], ResolveError>

    let host: String
    private let lock = Lock()
    private var continuation: UnsafeContinuation<Answer, Never>?
    private var answer: Answer?

    init(host: String) {
        self.host = host
    }

    /// Whether nobody has finished it yet.
    var isWanted: Bool { lock.withLock { answer == nil } }

    func wait(_ continuation: UnsafeContinuation<Answer, Never>) {
        let early = lock.withLock { () -> Answer? in
            if answer == nil { unsafe self.continuation = continuation }
            return answer
        }
        if let early { unsafe continuation.resume(returning: early) }
    }

    func finish(_ answer: Answer) {
        let waiter = lock.withLock { () -> UnsafeContinuation<Answer, Never>? in
            guard self.answer == nil else { return nil }
            self.answer = answer
            defer { unsafe continuation = nil }
            return unsafe continuation
        }
        unsafe waiter?.resume(returning: answer)
    }
}

/// Thread entries are top-level functions: a closure literal given to C could carry an isolation.
private func runResolverThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context else { return nil }
    unsafe Unmanaged<SystemResolver>.fromOpaque(context).takeRetainedValue().run()
    return nil
}
