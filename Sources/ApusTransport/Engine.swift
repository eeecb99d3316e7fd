package import ApusCore
import ApusPool
package import ApusSocket

/// Everything that requests share: loops, pool, resolver, TLS.
///
/// Nothing of it is global.
package final class Engine: Sendable {
    package let tuning: EngineTuning
    private let loops: [EventLoop]
    /// Whose the loops are; `nil` when they are this engine's own.
    private let group: LoopGroup?
    private let pool: ConnectionPool
    private let observer: (any EngineObserver)?
    private let ending = EngineEnding()
    /// What `OutgoingRequest` looks its route up in.
    package let routes = RouteMemory()

    /// Checks the tuning, makes the loops, and starts their threads, unless a group lends its own.
    ///
    /// - Throws: `InvalidTuning` naming a field, or `SystemError` when descriptors or threads lack.
    package init(
        _ tuning: EngineTuning, resolver: (any Resolver)? = nil, group: LoopGroup? = nil,
        observer: (any EngineObserver)? = nil
    ) throws {
        try tuning.validate()
        self.tuning = tuning
        self.observer = observer
        self.group = group
        let loops = try group?.loops ?? LoopGroup.makeLoops(tuning.eventLoops)
        self.loops = loops
        let dialer = Dialer(
            tuning, resolver: resolver ?? SystemResolver(tuning.dial), loops: loops,
            observer: observer)
        pool = ConnectionPool(tuning, dialer: dialer, loop: loops[0], observer: observer)
    }

    /// An engine that is dropped closes its idle connections; its threads end when nothing is left.
    deinit {
        guard ending.begin() else { return }
        let (pool, loops, group) = (pool, loops, group)
        pool.shutDown()
        Task {
            await pool.waitUntilEmpty()
            // A group's loops end with it, and it must last until here.
            guard group == nil else { return withExtendedLifetime(group) {} }
            for loop in loops { loop.stopAndDetach() }
        }
    }

    /// Where callers may run their tasks, so that requests never change threads.
    package var executor: any TaskExecutor { loops[0] }

    /// Closes the connections that carry nothing now.
    package func closeIdle() {
        pool.closeIdle()
    }

    /// What the pool holds and has done.
    package func snapshot() -> EngineSnapshot {
        EngineSnapshot(pool.snapshot())
    }
}

// MARK: - The life of an exchange

extension Engine {
    /// Sends a request and waits for its head: lease, send, and again where that is proven safe.
    package func execute(_ request: OutgoingRequest) async throws(TransportError) -> Response {
        let started = Deadline.now()
        var reuse = request.reuse
        var replays = 0
        while true {
            let lease = try await lease(request, reuse, started)
            let exchange = Exchange(request, started: started)
            observer?.observe(
                .exchangeStarted(
                    connection: lease.connection.id.rawValue, isReused: lease.isReused))
            lease.connection.start(exchange, isReused: lease.isReused)
            do throws(TransportError) {
                let head = try await exchange.nextHead()
                return Response(head, exchange, lease.connection, isReused: lease.isReused)
            } catch {
                guard replays < request.limits.replays, request.mayReplay(after: error) else {
                    throw error
                }
                replays += 1
                observer?.observe(.exchangeReplayed(error: error))
                if reuse == .pooled, error.replay != .refusedByPeer { reuse = .fresh }
            }
        }
    }

    /// Waits for a connection no longer than the tuning and the request's own deadline allow.
    private func lease(
        _ request: OutgoingRequest, _ reuse: RequestOptions.Reuse, _ started: Deadline
    ) async throws(TransportError) -> ConnectionPool.Lease {
        do throws(TransportError) {
            let lease = try await pool.lease(request, reuse: reuse, started: started)
            if Task.isCancelled {
                pool.giveBack(lease)
                throw TransportError(.cancelled, phase: .pool, message: "the request was cancelled")
            }
            return lease
        } catch {
            var error = error
            error.route = request.route
            throw error
        }
    }
}

extension OutgoingRequest {
    /// Whether the failure proves that sending again does no harm, and the body can be made again.
    fileprivate func mayReplay(after error: TransportError) -> Bool {
        guard body.isReplayable else { return false }
        switch error.kind {
        case .reset, .truncated, .h2Stream, .h2GoAway: break
        default: return false
        }
        switch error.replay {
        case .notSent, .refusedByPeer: return true
        case .unknown: return error.isReused && error.bytesReceived == 0 && isIdempotent
        case .responseStarted: return false
        }
    }
}

// MARK: - The end

extension Engine {
    /// Takes no new requests, lets those in flight finish, cuts the rest, and ends the threads.
    ///
    /// - Returns: the routes that were still busy when `drain` ran out, and were cut.
    package func shutDown(drain: Duration) async -> [String] {
        guard ending.begin() else { return [] }
        pool.shutDown()
        let (pool, loop) = (pool, loops[0])
        let cutOff = CutOff()
        loop.execute {
            let deadline = Deadline.now().advanced(by: drain)
            cutOff.timer = loop.schedule(at: deadline) { cutOff.blockers = pool.cutOff() }
        }
        await pool.waitUntilEmpty()
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            loop.execute {
                if let timer = cutOff.timer { loop.cancel(timer) }
                unsafe continuation.resume()
            }
        }
        if group == nil { await EventLoop.stopAndJoin(loops) }
        return cutOff.blockers
    }
}

/// What the drain's deadline left behind.
///
/// Unchecked, because it is touched on one loop's thread, and read once that loop has ended.
private final class CutOff: @unchecked Sendable {
    var timer: LoopTimer?
    var blockers: [String] = []
}

/// Whether the engine's end has begun; the first to ask begins it.
///
/// Unchecked, because `hasBegun` is touched only with the lock held.
private final class EngineEnding: @unchecked Sendable {
    private let lock = Lock()
    private var hasBegun = false

    func begin() -> Bool {
        lock.withLock {
            defer { hasBegun = true }
            return !hasBegun
        }
    }
}

extension Engine {
    /// As `init`, with the system's own failures as users see them.
    package static func make(
        _ tuning: EngineTuning, group: LoopGroup? = nil, observer: (any EngineObserver)?
    ) throws -> Engine {
        do {
            return try Engine(tuning, group: group, observer: observer)
        } catch let error as SystemError {
            throw TransportError(
                .resource(errno: error.errno), phase: .request, message: error.description)
        }
    }
}
