package import ApusCore

/// Which names are being looked up for whom, and what is known of them.
///
/// One lookup serves everybody who asks for its name meanwhile; its answer is kept for a short
/// time, for each isolation scope that asked: no scope finds what another has left. That a name
/// does not exist is kept too, that the resolver could not tell is not. It has no clock, lock or
/// thread: whoever holds it looks up what `nextName` says, and reports `answered`.
package struct NameCache: Sendable {
    package typealias Answer = Result<[SocketAddress], ResolveError>
    package typealias WaiterID = UInt64

    /// What asking for a name came to.
    package enum AskResult: Sendable, Hashable {
        /// It is known.
        case known(Answer)
        /// `answered` will name the waiter.
        case waits
        /// Too many lookups wait already.
        case refused
    }

    /// A lookup that has no answer yet.
    private struct Lookup {
        var waiters: [WaiterID]
        /// For whom its answer will be kept: those who have gone too.
        var scopes: Set<IsolationScope?>
        /// Whether `nextName` has given it out.
        var hasBegun = false
    }

    /// Where an answer is kept.
    private struct Key: Hashable {
        let name: ExactText
        let scope: IsolationScope?
    }

    private struct Known {
        let answer: Answer
        let until: Deadline
    }

    private let cacheTime: Duration?
    private let negativeCacheTime: Duration?
    private let maxKnown: Int
    private let maxQueued: Int
    private var lookups: [ExactText: Lookup] = [:]
    /// Names that wait for their lookup, oldest first.
    private var queue: [ExactText] = []
    private var known: [Key: Known] = [:]

    package init(_ tuning: EngineTuning.Dial) {
        cacheTime = tuning.cacheTime
        negativeCacheTime = tuning.negativeCacheTime
        maxKnown = tuning.maxCachedNames
        maxQueued = tuning.maxPendingLookups
    }

    /// Whether lookups wait to be begun.
    package var hasQueuedNames: Bool { !queue.isEmpty }
    /// How many answers are kept, those past their time included.
    package var knownCount: Int { known.count }

    /// Asks for a name on behalf of a waiter.
    package mutating func ask(
        for text: String, in scope: IsolationScope? = nil, waiter: WaiterID, now: Deadline
    ) -> AskResult {
        let name = ExactText(text)
        let key = Key(name: name, scope: scope)
        if let found = known[key] {
            if now < found.until { return .known(found.answer) }
            known[key] = nil
        }
        if lookups[name] != nil {
            lookups[name]?.waiters.append(waiter)
            lookups[name]?.scopes.insert(scope)
            return .waits
        }
        guard queue.count < maxQueued else { return .refused }
        queue.append(name)
        lookups[name] = Lookup(waiters: [waiter], scopes: [scope])
        return .waits
    }

    /// A waiter waits no longer; a lookup that has not begun is dropped with its last waiter.
    package mutating func cancel(_ waiter: WaiterID, for text: String) {
        let name = ExactText(text)
        guard var lookup = lookups[name] else { return }
        lookup.waiters.removeAll { $0 == waiter }
        guard lookup.waiters.isEmpty, !lookup.hasBegun else {
            lookups[name] = lookup
            return
        }
        lookups[name] = nil
        queue.removeAll { $0 == name }
    }

    /// The name to look up next, in the order of asking; `nil` when nothing waits.
    package mutating func nextName() -> String? {
        guard !queue.isEmpty else { return nil }
        let name = queue.removeFirst()
        lookups[name]?.hasBegun = true
        return name.text
    }

    /// A lookup has ended.
    ///
    /// - Returns: who waited for it, in the order of asking.
    package mutating func answered(
        _ text: String, _ answer: Answer, now: Deadline
    ) -> [WaiterID] {
        let name = ExactText(text)
        guard let lookup = lookups.removeValue(forKey: name) else { return [] }
        if let time = lifetime(of: answer) {
            for scope in lookup.scopes {
                makeRoom(now: now)
                known[Key(name: name, scope: scope)] = Known(
                    answer: answer, until: now.advanced(by: time))
            }
        }
        return lookup.waiters
    }

    /// What is known of a name is doubtful: the next to ask has it looked up again.
    package mutating func forget(_ text: String) {
        let name = ExactText(text)
        known = known.filter { $0.key.name != name }
    }

    /// How long an answer is good for; `nil` when it is not kept.
    private func lifetime(of answer: Answer) -> Duration? {
        switch answer {
        case .success: cacheTime
        case .failure(.notFound): negativeCacheTime
        case .failure(.temporary), .failure(.overloaded), .failure(.cancelled): nil
        }
    }

    /// Lets go of what is past its time, or of what would be first.
    private mutating func makeRoom(now: Deadline) {
        guard known.count >= maxKnown else { return }
        known = known.filter { now < $0.value.until }
        guard known.count >= maxKnown else { return }
        let oldest = known.min { $0.value.until < $1.value.until }
        if let oldest { known[oldest.key] = nil }
    }
}
