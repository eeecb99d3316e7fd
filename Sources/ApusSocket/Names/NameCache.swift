package import ApusCore

/// Pending lookups with their waiters, and cached answers.
///
/// One lookup serves all callers that ask for its name meanwhile; its answer is cached for a short
/// time, for each isolation scope that asked: no scope sees the entries of another. That a name
/// does not exist is cached too, a temporary failure is not: while lookups fail for the moment, the
/// last addresses serve the scope that had them for `dial.staleCacheTime`. It has no clock, lock or
/// thread: its owner looks up each `nextName` and reports `answered`.
package struct NameCache: Sendable {
    package typealias Answer = Result<[SocketAddress], ResolveError>
    package typealias WaiterID = UInt64

    /// The result of asking for a name.
    package enum AskResult: Sendable, Hashable {
        /// The answer is cached.
        case known(Answer)
        /// The caller waits, until `answered` returns it.
        case waits
        /// Too many lookups already wait.
        case refused
    }

    /// What the end of a lookup brings.
    package struct Answered: Sendable {
        /// The answer of each waiter, in order of asking.
        package fileprivate(set) var deliveries: [(waiter: WaiterID, answer: Answer)] = []
        /// The age of the oldest answer that serves instead of a temporary failure; `nil` when none
        /// does.
        package fileprivate(set) var staleAge: Duration?
    }

    /// A lookup without an answer yet.
    private struct Lookup {
        var waiters: [(id: WaiterID, scope: IsolationScope?)]
        /// The scopes that its answer will be cached for, including those whose callers have left.
        var scopes: Set<IsolationScope?>
        /// Whether `nextName` has returned it.
        var hasBegun = false
    }

    /// The key of a cached answer.
    private struct Key: Hashable {
        let name: ExactText
        let scope: IsolationScope?
    }

    private struct Known {
        let answer: Answer
        let since: Deadline
        var until: Deadline
    }

    private let cacheTime: Duration?
    private let negativeCacheTime: Duration?
    private let staleCacheTime: Duration?
    private let maxKnown: Int
    private let maxQueued: Int
    private var lookups: [ExactText: Lookup] = [:]
    /// Names whose lookup has not begun, oldest first.
    private var queue: [ExactText] = []
    private var known: [Key: Known] = [:]

    package init(_ tuning: EngineTuning.Dial) {
        cacheTime = tuning.cacheTime
        negativeCacheTime = tuning.negativeCacheTime
        staleCacheTime = tuning.staleCacheTime
        maxKnown = tuning.maxCachedNames
        maxQueued = tuning.maxPendingLookups
    }

    /// Whether lookups have not begun.
    package var hasQueuedNames: Bool { !queue.isEmpty }
    /// The number of cached answers, including expired ones.
    package var knownCount: Int { known.count }

    /// Asks for a name for a waiter.
    package mutating func ask(
        for text: String, in scope: IsolationScope? = nil, waiter: WaiterID, now: Deadline
    ) -> AskResult {
        let name = ExactText(text)
        let key = Key(name: name, scope: scope)
        if let found = known[key] {
            if now < found.until { return .known(found.answer) }
            if !maySubstitute(found, now: now) { known[key] = nil }
        }
        if lookups[name] != nil {
            lookups[name]?.waiters.append((waiter, scope))
            lookups[name]?.scopes.insert(scope)
            return .waits
        }
        guard queue.count < maxQueued else { return .refused }
        queue.append(name)
        lookups[name] = Lookup(waiters: [(waiter, scope)], scopes: [scope])
        return .waits
    }

    /// A waiter was cancelled; a lookup that has not begun is dropped with its last waiter.
    package mutating func cancel(_ waiter: WaiterID, for text: String) {
        let name = ExactText(text)
        guard var lookup = lookups[name] else { return }
        lookup.waiters.removeAll { $0.id == waiter }
        guard lookup.waiters.isEmpty, !lookup.hasBegun else {
            lookups[name] = lookup
            return
        }
        lookups[name] = nil
        queue.removeAll { $0 == name }
    }

    /// The name to look up next, in order of asking; `nil` when there is none.
    package mutating func nextName() -> String? {
        guard !queue.isEmpty else { return nil }
        let name = queue.removeFirst()
        lookups[name]?.hasBegun = true
        return name.text
    }

    /// A lookup has ended.
    package mutating func answered(_ text: String, _ answer: Answer, now: Deadline) -> Answered {
        let name = ExactText(text)
        guard let lookup = lookups.removeValue(forKey: name) else { return Answered() }
        if let time = lifetime(of: answer) {
            for scope in lookup.scopes {
                makeRoom(now: now)
                known[Key(name: name, scope: scope)] = Known(
                    answer: answer, since: now, until: now.advanced(by: time))
            }
        }
        var answered = Answered()
        for waiter in lookup.waiters {
            let substitute = substitute(
                for: answer, of: Key(name: name, scope: waiter.scope), now: now)
            answered.deliveries.append((waiter.id, substitute?.answer ?? answer))
            if let age = substitute.map({ now.since($0.since) }) {
                answered.staleAge = max(age, answered.staleAge ?? age)
            }
        }
        return answered
    }

    /// The last addresses of a scope, which serve instead of a temporary failure; `nil` when there
    /// are none, or they are too old.
    ///
    /// They are not asked for anew for a moment, so that an outage does not cost each request a
    /// lookup that fails.
    private mutating func substitute(for answer: Answer, of key: Key, now: Deadline) -> Known? {
        guard case .failure(.temporary) = answer, var found = known[key],
            maySubstitute(found, now: now)
        else { return nil }
        if let time = negativeCacheTime {
            found.until = max(found.until, now.advanced(by: time))
            known[key] = found
        }
        return found
    }

    private func maySubstitute(_ known: Known, now: Deadline) -> Bool {
        guard let staleCacheTime, let cacheTime, case .success = known.answer else { return false }
        return now < known.since.advanced(by: cacheTime).advanced(by: staleCacheTime)
    }

    /// Drops the cached answer of a name, so that the next caller has it looked up again.
    package mutating func forget(_ text: String) {
        let name = ExactText(text)
        known = known.filter { $0.key.name != name }
    }

    /// How long an answer is cached; `nil` when it is not.
    private func lifetime(of answer: Answer) -> Duration? {
        switch answer {
        case .success: cacheTime
        case .failure(.notFound): negativeCacheTime
        case .failure(.temporary), .failure(.overloaded), .failure(.cancelled): nil
        }
    }

    /// Removes expired answers, or else the one that expires first.
    private mutating func makeRoom(now: Deadline) {
        guard known.count >= maxKnown else { return }
        known = known.filter { now < $0.value.until }
        guard known.count >= maxKnown else { return }
        let oldest = known.min { $0.value.until < $1.value.until }
        if let oldest { known[oldest.key] = nil }
    }
}
