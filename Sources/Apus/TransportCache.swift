/// A bounded cache of engines by key, such as one per credential.
///
/// 1. Equal keys get the same engine. 2. Different keys never share one. 3. Concurrent callers make
/// it once. 4. A failure is reported to the callers that waited for it, and not cached. 5. The
/// cache never holds more than `capacity` engines: the least recently used one is evicted. 6. An
/// evicted engine only loses its idle connections; requests in flight and callers that hold it are
/// not affected. 7. A purge takes effect at once, also for engines being made.
///
/// Most callers need no cache: one engine separates routes by proxy and scope. A cache is for
/// engines that differ in their tuning.
public actor TransportCache<Key: Hashable & Sendable> {
    /// Makes the engine of a key.
    public typealias Make = @Sendable () async throws -> TransportEngine

    private struct Entry {
        let engine: TransportEngine
        var lastUse: UInt64
    }

    /// One engine being made, and the callers that wait for it.
    private struct Making {
        let key: Key
        var waiters: [UInt64: CheckedContinuation<TransportEngine, any Error>] = [:]
    }

    /// The maximum number of cached engines.
    public nonisolated let capacity: Int
    private var entries: [Key: Entry] = [:]
    /// Engines being made, by number, including those that were purged meanwhile.
    private var makings: [UInt64: Making] = [:]
    /// The number of the making that the next caller of a key joins.
    private var current: [Key: UInt64] = [:]
    private var tally = TransportCacheCounts()
    /// The last number given to a use, a making or a waiter.
    private var lastNumber: UInt64 = 0

    /// Creates an empty cache.
    ///
    /// - Parameter capacity: the maximum number of cached engines, at least 1; 64 by default.
    public init(capacity: Int = 64) {
        self.capacity = max(1, capacity)
    }

    /// Returns the engine of a key, and makes it if there is none.
    ///
    /// - Parameters:
    ///   - key: identifies the engine; it should contain no plain secret.
    ///   - make: makes the engine; it is called once for all concurrent callers, and continues when
    ///     they are cancelled.
    /// - Throws: the error of `make`, or `TransportError` when the caller was cancelled.
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

    /// Removes the engines whose keys match; all of them by default.
    ///
    /// Their idle connections are closed. An engine being made is still returned to its waiting
    /// callers, but not cached.
    /// - Returns: the number of engines removed.
    @discardableResult
    public func purge(where matches: @Sendable (Key) -> Bool = { _ in true }) -> Int {
        for key in current.keys.filter(matches) { current[key] = nil }
        let keys = entries.keys.filter(matches)
        for key in keys { letGo(key) }
        tally.purged += keys.count
        return keys.count
    }

    /// The counters of the cache at this instant.
    public var counts: TransportCacheCounts {
        var counts = tally
        counts.held = entries.count
        counts.making = makings.count
        return counts
    }

    // MARK: Making

    /// Runs outside of this actor: an engine that takes long must not block other keys.
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

    /// The engine ends once it is not referenced any more and its last request has ended.
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

/// The counters of a transport cache.
public struct TransportCacheCounts: Sendable, Hashable, Codable {
    /// Cached engines.
    public var held = 0
    /// Engines being made.
    public var making = 0
    /// Calls that returned a cached engine.
    public var hits = 0
    /// Engines made.
    public var made = 0
    /// Engines that could not be made.
    public var failures = 0
    /// Engines evicted because of `capacity`.
    public var evictions = 0
    /// Engines removed by `purge`.
    public var purged = 0

    /// Creates counters of zero.
    public init() {}
}
