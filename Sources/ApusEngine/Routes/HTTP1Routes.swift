import ApusCore
import ApusSocket
import Synchronization

/// The routes that speak HTTP/1.1 although ALPN would choose HTTP/2: because their peer demands it,
/// because HTTP/2 has failed on their way, or, for large bodies, because it takes them slowly.
///
/// Unchecked, because `broken` and `narrow` are touched only with the lock held.
final class HTTP1Routes: @unchecked Sendable {
    private let demanding = LearnedRoutes()
    /// Whether failures of HTTP/2 are counted.
    private let learns: Bool
    /// Whether large bodies are moved.
    private let movesUploads: Bool
    private let observer: EventReporter?
    private let lock = Lock()
    private var broken = BrokenHTTP2()
    /// Whether there is anything in `broken`: most engines never have anything.
    private let isWatching = Atomic<Bool>(false)
    private var narrow = NarrowWays()
    /// Whether there is anything in `narrow`.
    private let hasNarrow = Atomic<Bool>(false)

    init(_ tuning: EngineTuning.HTTP2 = EngineTuning.HTTP2(), observer: EventReporter? = nil) {
        learns = tuning.learnsBrokenRoutes
        movesUploads = tuning.movesLargeUploads
        self.observer = observer
    }

    /// The route as it is to be used, given what was learned before.
    ///
    /// - Parameter bodyLength: the length of the request's body; `nil` when it is not known.
    func adapted(
        _ route: Route, bodyLength: UInt64? = nil, now: @autoclosure () -> Deadline = .now()
    ) -> Route {
        guard
            demanding.contains(route) || avoids(route, now: now())
                || isTooNarrow(route, for: bodyLength, now: now())
        else { return route }
        return route.over(.http1Only(alpn: .http1))
    }

    private func avoids(_ route: Route, now: @autoclosure () -> Deadline) -> Bool {
        guard isWatching.load(ordering: .relaxed), route.versions == .automatic else {
            return false
        }
        let now = now()
        return lock.withLock { broken.avoids(route, now: now) }
    }

    private func isTooNarrow(
        _ route: Route, for length: UInt64?, now: @autoclosure () -> Deadline
    ) -> Bool {
        guard let length, length > 0, hasNarrow.load(ordering: .relaxed),
            route.versions == .automatic
        else { return false }
        let now = now()
        return lock.withLock { narrow.avoids(route, length: length, now: now) }
    }

    /// Bodies have waited for a connection's window for too long.
    ///
    /// - Parameter window: the window with which the peer's streams begin.
    func congested(_ route: Route, window: Int, now: Deadline = .now()) {
        guard movesUploads, route.versions == .automatic, route.origin.scheme == .https else {
            return
        }
        let length = lock.withLock { () -> UInt64? in
            hasNarrow.store(true, ordering: .relaxed)
            return narrow.congested(route, window: window, now: now)
        }
        if let length {
            observer?.observe(
                .uploadsAvoidHTTP2(route: route, from: length, for: NarrowWays.time))
        }
    }

    /// Remembers a route whose peer wants HTTP/1.1.
    ///
    /// - Returns: the same over HTTP/1.1; `nil` when its policy does not allow that.
    func demanded(by route: Route) -> Route? {
        guard route.versions == .automatic else { return nil }
        demanding.insert(route)
        return route.over(.http1Only(alpn: .http1))
    }

    /// A request has failed over HTTP/2.
    ///
    /// - Parameter isReused: whether its connection had carried others before.
    func failed(
        _ route: Route, _ error: TransportError, on connection: UInt64, isReused: Bool,
        now: Deadline = .now()
    ) {
        guard learns, route.versions == .automatic,
            let evidence = error.evidence(isReused: isReused)
        else { return }
        let verdict = lock.withLock { () -> [HTTP2Evidence]? in
            defer { isWatching.store(true, ordering: .relaxed) }
            return broken.failed(route, evidence, on: connection, now: now)
        }
        if let verdict {
            observer?.observe(
                .http2Avoided(route: route, because: verdict, for: BrokenHTTP2.time))
        }
    }

    /// A head has come over HTTP/2.
    func answered(over route: Route) {
        guard isWatching.load(ordering: .relaxed) else { return }
        lock.withLock {
            broken.succeeded(route)
            isWatching.store(!broken.isEmpty, ordering: .relaxed)
        }
    }

    /// Forgets the routes that match; the predicate is called with no lock held.
    func forget(where matches: (Route) -> Bool) {
        demanding.forget(where: matches)
        let forgotten = lock.withLock { broken.routes + narrow.routes }.filter(matches)
        lock.withLock {
            broken.forget(forgotten)
            isWatching.store(!broken.isEmpty, ordering: .relaxed)
            narrow.forget(forgotten)
            hasNarrow.store(!narrow.isEmpty, ordering: .relaxed)
        }
    }

    /// The ways that speak HTTP/1.1 because HTTP/2 has failed on them.
    func avoided(now: Deadline = .now()) -> [EngineSnapshot.HTTP2Avoidance] {
        lock.withLock { broken.avoided(now: now) }
            .map { route, evidence, left in
                EngineSnapshot.HTTP2Avoidance(
                    route: route.description, because: evidence, secondsLeft: left.inSeconds)
            }
            .sorted { $0.route < $1.route }
    }
}

extension TransportError {
    /// Whether the connection ended after a second without a byte, which shows a limit of silence.
    private var isCutInSilence: Bool {
        connectionEnd?.connectionSilence.map { $0 >= .seconds(1) } == true
    }

    /// What a failure over HTTP/2 shows of the way; `nil` when it shows nothing.
    fileprivate func evidence(isReused: Bool) -> HTTP2Evidence? {
        guard replay != .responseStarted else { return nil }
        if peerSpeaksHTTP1 { return .spokeHTTP1 }
        switch kind {
        case .h2Stream(code: 1), .h2Stream(code: 2): return .streamReset
        case .h2GoAway(code: 1, _, _) where !isReused: return .refusedAtOnce
        case .truncated where !isReused, .reset where !isReused:
            return isCutInSilence ? nil : .endedAtOnce
        case .timeout where phase == .head && timeLimit?.pingAnswered != nil: return .silentStream
        default: return nil
        }
    }
}

extension Route {
    /// The same route by another version policy.
    fileprivate func over(_ versions: HTTPVersionPolicy) -> Route {
        Route(
            origin: origin, proxies: proxies, versions: versions, tls: tls,
            localAddress: localAddress, localInterface: localInterface, connectTo: connectTo,
            isolation: isolation, purpose: purpose)
    }
}
