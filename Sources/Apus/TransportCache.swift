/// Engines by key, such as one per credential: made once, bounded, and let go without harm.
///
/// 1. Equal keys get the same engine. 2. Different keys never share one. 3. Callers who ask at
/// once, make it once. 4. A failure is told to those who waited for it, and not kept. 5. Never more
/// than `capacity` engines are held: the one used longest ago goes. 6. What goes loses its idle
/// connections only; requests in flight and callers who hold it are not touched. 7. A purge takes
/// effect at once, also for what is being made.
///
/// Most callers need none: one engine tells routes apart by proxy and scope already. A cache is for
/// engines that differ in their tuning.
public actor TransportCache<Key: Hashable & Sendable> {
    /// Makes the engine of a key.
    public typealias Make = @Sendable () async throws -> TransportEngine

    private struct Entry {
        let engine: TransportEngine
        var lastUse: UInt64
    }

    /// One making, and those who wait for it.
    private struct Making {
        let key: Key
        var waiters: [UInt64: CheckedContinuation<TransportEngine, any Error>] = [:]
    }

    /// The most engines held.
    public nonisolated let capacity: Int
    private var entries: [Key: Entry] = [:]
    /// Makings by number; those that were purged meanwhile too.
    private var makings: [UInt64: Making] = [:]
    /// The making that the next caller of a key joins.
    private var current: [Key: UInt64] = [:]
    private var tally = TransportCacheCounts()
    /// Counts uses, makings and waiters alike.
    private var lastNumber: UInt64 = 0

    /// - Parameter capacity: the most engines to hold; at least 1.
    public init(capacity: Int = 64) {
        self.capacity = max(1, capacity)
    }

    /// The key's engine, made if there is none.
    ///
    /// - Parameters:
    ///   - key: what tells engines apart; give it no secret in the clear.
    ///   - make: called once for all who ask at the same time; goes on when they give up.
    /// - Throws: what `make` threw, or `TransportError` when the caller was cancelled.
    public func transport(for key: Key, make: @escaping Make) async throws -> TransportEngine {
        let number = nextNumber()
        if let engine = entries[key]?.engine {
            entries[key]?.lastUse = number
            tally.hits += 1
            return engine
        }
        let making = current[key] ?? start(key, make)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard !Task.isCancelled else { return continuation.resume(throwing: cancelled) }
                makings[making]?.waiters[number] = continuation
            }
        } onCancel: {
            Task { await self.giveUp(number, making) }
        }
    }

    /// Lets go of the engines whose keys match, all of them unless told otherwise.
    ///
    /// Their idle connections are closed. What is being made is still given to those who wait for
    /// it, and not kept.
    /// - Returns: how many engines were held.
    @discardableResult
    public func purge(where matches: @Sendable (Key) -> Bool = { _ in true }) -> Int {
        for key in current.keys.filter(matches) { current[key] = nil }
        let keys = entries.keys.filter(matches)
        for key in keys { letGo(key) }
        tally.purged += keys.count
        return keys.count
    }

    /// What the cache holds and has done, at this instant.
    public var counts: TransportCacheCounts {
        var counts = tally
        counts.held = entries.count
        counts.making = makings.count
        return counts
    }

    // MARK: Making

    /// Not on this actor: an engine that takes its time must not hold up other keys.
    private func start(_ key: Key, _ make: @escaping Make) -> UInt64 {
        let number = nextNumber()
        makings[number] = Making(key: key)
        current[key] = number
        Task.detached {
            do {
                await self.finish(number, .success(try await make()))
            } catch {
                await self.finish(number, .failure(error))
            }
        }
        return number
    }

    private func finish(_ number: UInt64, _ result: Result<TransportEngine, any Error>) {
        guard let making = makings.removeValue(forKey: number) else { return }
        let isCurrent = current[making.key] == number
        if isCurrent { current[making.key] = nil }
        switch result {
        case .success(let engine):
            tally.made += 1
            if isCurrent { hold(engine, for: making.key) }
        case .failure: tally.failures += 1
        }
        for waiter in making.waiters.values { waiter.resume(with: result) }
    }

    private func giveUp(_ waiter: UInt64, _ making: UInt64) {
        makings[making]?.waiters.removeValue(forKey: waiter)?.resume(throwing: cancelled)
    }

    private func hold(_ engine: TransportEngine, for key: Key) {
        if entries.count >= capacity,
            let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse })?.key
        {
            letGo(oldest)
            tally.evictions += 1
        }
        entries[key] = Entry(engine: engine, lastUse: nextNumber())
    }

    /// Dropping the engine ends it once nobody else holds it and its last request is over.
    private func letGo(_ key: Key) {
        entries.removeValue(forKey: key)?.engine.closeIdleConnections()
    }

    private func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }

    private var cancelled: TransportError {
        TransportError(.cancelled, phase: .pool, message: "waiting for an engine was cancelled")
    }
}

/// What a transport cache holds and has done.
public struct TransportCacheCounts: Sendable, Hashable, Codable {
    /// Engines held.
    public var held = 0
    /// Engines being made.
    public var making = 0
    /// Calls served by an engine that was held.
    public var hits = 0
    /// Engines made.
    public var made = 0
    /// Makings that failed.
    public var failures = 0
    /// Engines that went because of the bound.
    public var evictions = 0
    /// Engines that went by `purge`.
    public var purged = 0

    public init() {}
}
