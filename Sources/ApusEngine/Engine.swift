package import ApusConnection
package import ApusCore
package import ApusDial
import ApusPool
package import ApusSocket
import ApusTLS
package import HTTPTypes
import Synchronization

/// Everything that requests share: loops, pool, resolver, TLS.
///
/// Nothing of it is global.
package final class Engine: Sendable {
    package let tuning: EngineTuning
    private let loops: [EventLoop]
    /// Whose the loops are; `nil` when they are this engine's own.
    private let group: LoopGroup?
    private let pool: ConnectionPool
    package let dialer: Dialer
    private let addressWatch: AddressWatch?
    private let observer: EventReporter?
    private let bufferingWatch: BufferingWatch?
    private let ending = EngineEnding()
    /// What `OutgoingRequest` looks its route up in.
    package let routes = RouteMemory()
    /// The last exchange's number; counted only for an observer.
    private let lastExchange = Atomic<UInt64>(0)
    private let replays = Atomic<Int>(0)
    private let http1Routes: HTTP1Routes
    private let amender: RequestAmender
    /// Whose turn it is to run a caller's tasks.
    private let turn = Atomic<Int>(0)

    /// Checks the tuning, makes the loops, and starts their threads, unless a group lends its own.
    ///
    /// - Throws: `InvalidTuning` naming a field, or `SystemError` when descriptors or threads lack.
    package init(
        _ tuning: EngineTuning, resolver: (any Resolver)? = nil, group: LoopGroup? = nil,
        observer: (any EngineObserver)? = nil, hooks: DialHooks = DialHooks()
    ) throws {
        try tuning.validate()
        self.tuning = tuning
        bufferingWatch = observer.map { BufferingWatch($0) }
        let observer = bufferingWatch.map { EventReporter($0) }
        self.observer = observer
        self.group = group
        let loops = try group?.loops ?? LoopGroup.makeLoops(tuning)
        self.loops = loops
        let names = resolver ?? FamilyResolver(tuning.dial, onStaleAnswer: observer?.staleAnswers)
        let dialer = Dialer(
            tuning, resolver: names, loops: loops, observer: observer, hooks: hooks)
        self.dialer = dialer
        amender = RequestAmender(tuning, observer: observer)
        http1Routes = HTTP1Routes(tuning.http2, observer: observer)
        let pool = ConnectionPool(
            tuning, dialer: dialer, http1Routes: http1Routes, loop: loops[0], observer: observer)
        self.pool = pool
        addressWatch = tuning.dial.addressCheck.map {
            AddressWatch(every: $0, over: pool, dialer, on: loops[0])
        }
        addressWatch?.start()
    }

    /// An engine that is dropped closes its idle connections; its threads end when nothing is left.
    deinit {
        guard ending.begin() else { return }
        let (pool, loops, group, ending) = (pool, loops, group, ending)
        if let observer {
            let counts = pool.snapshot().counts
            observer.observe(
                .engineDropped(connections: counts.connections, exchanges: counts.exchanges))
        }
        pool.shutDown()
        Task {
            await pool.waitUntilEmpty()
            pool.stopListening()
            // A group's loops end with it, and it must last until here.
            if group == nil { for loop in loops { loop.stopAndDetach() } }
            _ = ending.finish()
            withExtendedLifetime(group) {}
        }
    }

    /// Checks a request and works out its route; the settings are not copied for it.
    ///
    /// - Throws: `InvalidRequest` naming the part at fault; nothing has been dialled.
    package func outgoing(
        _ request: HTTPRequest, _ body: RequestBody, _ options: borrowing RequestOptions
    ) throws(InvalidRequest) -> OutgoingRequest {
        try OutgoingRequest(
            request, body: body, options: options, tuning: tuning, routes: routes)
    }

    /// Where callers may run their tasks, so that requests never change threads: each loop in turn.
    package var taskExecutor: any TaskExecutor {
        guard loops.count > 1 else { return loops[0] }
        let index = turn.add(1, ordering: .relaxed).oldValue
        return loops[Int(UInt(bitPattern: index) % UInt(loops.count))]
    }

    /// Closes the connections that carry nothing now.
    package func closeIdle() {
        pool.closeIdle()
    }

    /// Looks whether the system has slept, as when the system reports that its clock was set.
    package func clocksChanged() {
        pool.clocksChanged()
    }

    /// Dials until the route has so many connections, within its limits.
    ///
    /// - Returns: how many dials that took.
    package func prewarm(_ route: Route, connections: Int) -> Int {
        pool.prewarm(route, connections: connections)
    }

    /// Has the connections of the routes that match take no more, and forgets what is kept to make
    /// others like them: TLS sessions, routes with their proxies' credentials, what was learned.
    ///
    /// What is known of a proxy is forgotten when a route through it without credentials matches.
    /// The predicate is called with no lock held.
    package func drain(where matches: (Route) -> Bool) {
        let drained = Set(pool.knownRoutes.filter(matches))
        routes.forget(where: matches)
        amender.forget(where: matches)
        http1Routes.forget(where: matches)
        dialer.proxies.forget(where: matches)
        bufferingWatch?.forget(where: matches)
        dialer.ways.forget(where: matches)
        dialer.sessions.forget(where: matches)
        pool.drainAll(of: drained, .retired)
    }

    /// Reads roots and identities anew; see `TransportEngine.reloadTLS`.
    package func reloadTLS() async throws(TransportError) -> Bool {
        switch await dialer.reloadTLS() {
        case .success(let hasChanged):
            if hasChanged { pool.tlsReloaded() }
            return hasChanged
        case .failure(let error):
            throw TransportError(TransportError.Kind(error), phase: .tls, message: error.message)
        }
    }

    /// What the pool holds and has done.
    package func snapshot() -> EngineSnapshot {
        let (machine, facts) = pool.snapshotWithFacts()
        var snapshot = EngineSnapshot(
            machine, facts: facts, replays: replays.load(ordering: .relaxed))
        dialer.handshakes.fill(&snapshot.counters)
        snapshot.http2Avoided = http1Routes.avoided()
        snapshot.learnedWays = dialer.ways.entries()
        snapshot.proxies = dialer.proxies.entries()
        return snapshot
    }
}

// MARK: - The life of an exchange

extension Engine {
    /// Sends a request and waits for its head: lease, send, and again where that is proven safe.
    ///
    /// The steps are functions of their own, never inlined: this frame lasts as long as the wait.
    package func execute(_ original: OutgoingRequest) async throws(TransportError) -> Response {
        let started = Deadline.now()
        if original.body.isEmpty, original.holdsBody {
            try await original.hearBodyOut(started)
        }
        let next = firstTry(original, started)
        while true {
            if let pause = next.pause(tuning.pool) { try await rest(pause, before: next) }
            let lease =
                switch try ask(for: next) {
                case .leased(let lease): lease
                case .wait(let waiter): try await wait(waiter, for: next)
                }
            let exchange = begin(next, on: lease)
            do throws(TransportError) {
                let head = try await exchange.nextHead()
                if head.status.mayAskForAnotherForm,
                    try await amender.amend(next, after: head, to: exchange, on: lease)
                {
                    leave(exchange, for: next)
                    continue
                }
                exchange.accept()
                if lease.connection.isHTTP2 { http1Routes.answered(over: next.route) }
                return Response(
                    head, exchange, on: lease.connection, isReused: lease.isReused,
                    waitedFor: lease.waitedFor, replays: next.replays,
                    exchangeID: next.story?.number)
            } catch {
                try prepare(next, after: error, of: exchange, on: lease)
            }
        }
    }

    @inline(never)
    private func firstTry(_ request: OutgoingRequest, _ started: Deadline) -> NextTry {
        let route = http1Routes.adapted(request.route, bodyLength: request.body.length)
        return NextTry(
            request, over: route, amendments: amender.amendments(for: request, over: route),
            started: started, story: story(of: request, over: route, started))
    }

    private func story(
        of request: OutgoingRequest, over route: Route, _ started: Deadline
    ) -> ExchangeStory? {
        observer.map { observer in
            let number = lastExchange.add(1, ordering: .relaxed).newValue
            return ExchangeStory(number, request, over: route, started: started, to: observer)
        }
    }

    @inline(never)
    private func begin(_ next: NextTry, on lease: ConnectionPool.Lease) -> Exchange {
        let exchange = Exchange(
            next.request, over: next.route, on: lease.connection, started: next.started,
            leased: lease.instant, story: next.story)
        exchange.amendments = next.amendments
        next.story?.started(on: lease.connection, isReused: lease.isReused)
        lease.connection.start(exchange, isReused: lease.isReused)
        return exchange
    }

    /// Gives up the response that asked for another form of the request.
    @inline(never)
    private func leave(_ exchange: Exchange, for next: NextTry) {
        exchange.abandon()
        next.wasAnswered()
        guard next.amendments.omitsExpectation != exchange.amendments.omitsExpectation else {
            return
        }
        let refusal = TransportError.expectationRefused(by: next.route)
        next.isRepeated(after: refusal)
        replays.add(1, ordering: .relaxed)
    }

    /// Makes ready for the next try, or throws the error on when there is none.
    @inline(never)
    private func prepare(
        _ next: NextTry, after error: TransportError, of exchange: Exchange,
        on lease: ConnectionPool.Lease
    ) throws(TransportError) {
        let isHTTP2 = lease.connection.isHTTP2
        if isHTTP2 {
            http1Routes.failed(
                next.route, error, on: lease.connection.id.rawValue, isReused: lease.isReused)
        }
        let isSilent = !isHTTP2 || exchange.hasConnectionEnded
        // A connection that was made for the request and ends at once is a fault of the peer, and
        // no move.
        let isMove = error.replay == .notSent && (lease.wasInPool || !isSilent)
        guard exchange.mayRepeat,
            next.request.mayReplay(
                after: error, wasInPool: lease.wasInPool, isSilent: isSilent,
                isLost: exchange.isConnectionLost),
            next.takeOffBudget(for: error, isMove: isMove),
            let route = route(after: error, of: next)
        else {
            let failure = next.failure(error)
            next.story?.failed(failure)
            throw failure
        }
        // An idle HTTP/1.1 connection may be as stale as the one before it. One of HTTP/2 carries
        // all who move: it left the pool before they heard of its end, and so did none that works.
        next.goesOn(
            over: route, after: error, dials: !isHTTP2 && error.replay != .refusedByPeer)
        replays.add(1, ordering: .relaxed)
    }

    /// The route of the next try; `nil` where the peer demands what the request does not allow.
    private func route(after error: TransportError, of next: NextTry) -> Route? {
        guard error.demandsHTTP1 else { return http1Routes.adapted(next.route) }
        guard error.peerSpeaksHTTP1 else { return http1Routes.demanded(by: next.route) }
        let route = http1Routes.adapted(next.route)
        return route == next.route ? nil : route
    }

    /// Asks for a connection, without waiting: most requests find one.
    @inline(never)
    private func ask(for next: NextTry) throws(TransportError) -> ConnectionPool.Leasing {
        do throws(TransportError) {
            let leasing = try pool.lease(next)
            if case .leased(let lease) = leasing { try take(lease, for: next) }
            return leasing
        } catch {
            throw failed(error, next)
        }
    }

    /// Waits for a connection no longer than the tuning and the request's own deadline allow.
    @inline(never)
    private func wait(
        _ waiter: PoolWaiter, for next: NextTry
    ) async throws(TransportError) -> ConnectionPool.Lease {
        do throws(TransportError) {
            let lease = try await waiter.lease()
            try take(lease, for: next)
            return lease
        } catch {
            throw failed(error, next)
        }
    }

    /// Lets time pass before the next connection is asked for.
    @inline(never)
    private func rest(
        _ pause: Duration, before next: NextTry
    ) async throws(TransportError) {
        do throws(TransportError) {
            try await pool.pause(pause, before: next)
        } catch {
            throw failed(error, next)
        }
    }

    /// The connection is there, though the caller may be gone.
    private func take(
        _ lease: ConnectionPool.Lease, for next: NextTry
    ) throws(TransportError) {
        if Task.isCancelled {
            pool.giveBack(lease)
            throw TransportError(.cancelled, phase: .pool, message: "the request was cancelled")
        }
        // It carries this exchange, and those that it carries already, and no other.
        if next.reuse == .pooledThenClosed { pool.drain(lease.connection.id, .notPooled) }
    }

    /// The request ends without a connection.
    private func failed(_ cause: TransportError, _ next: NextTry) -> TransportError {
        var error = next.failure(cause)
        error.route = next.route
        error.metadata = next.request.metadata
        error.exchangeID = next.story?.number
        next.story?.failed(error)
        return error
    }
}

// MARK: - The end

extension Engine {
    /// Takes no new requests, lets those in flight finish, cuts the rest, and ends the threads.
    ///
    /// Asked again, it waits for the same end, and cuts earlier when the new `drain` ends earlier.
    ///
    /// - Returns: the routes that were still busy when `drain` ran out, and were cut; nothing for
    ///   those who asked again.
    package func shutDown(drain: Duration) async -> [String] {
        let isFirst = ending.begin()
        let (pool, loop, ending) = (pool, loops[0], ending)
        if isFirst {
            observer?.observe(.shutdownStarted(drain: drain))
            pool.shutDown()
            routes.forget { _ in true }
            amender.forget { _ in true }
        }
        let deadline = Deadline.now().advanced(by: drain)
        if ending.bringForward(to: deadline) {
            // The loop forgets its timers when it ends, so one that is too late does no harm.
            loop.execute {
                _ = loop.schedule(at: deadline) { [weak pool] in
                    if let pool { ending.wasCut(pool.cutOff()) }
                }
            }
        }
        guard isFirst else {
            await ending.wait()
            return []
        }
        await pool.waitUntilEmpty()
        pool.stopListening()
        if group == nil { await EventLoop.stopAndJoin(loops) }
        let cut = ending.finish()
        observer?.observe(.shutdownFinished(cut: cut))
        return cut
    }
}

extension Engine {
    /// As `init`, with the system's own failures as users see them.
    package static func make(
        _ tuning: EngineTuning, names: CustomResolver? = nil, group: LoopGroup? = nil,
        observer: (any EngineObserver)?
    ) throws -> Engine {
        try tuning.validate()
        do throws(TLSError) {
            try TLSContext.check(tuning.tls)
        } catch {
            throw InvalidTuning(field: "tls", reason: error.message)
        }
        do {
            return try Engine(tuning, resolver: names, group: group, observer: observer)
        } catch let error as SystemError {
            throw TransportError(
                .resource(errno: error.errno), phase: .request, message: error.description)
        }
    }
}

extension EventReporter {
    /// Reports answers that serve beyond their time.
    fileprivate var staleAnswers: StaleAnswer.Listener {
        { answer in
            observe(
                .staleAddressesUsed(
                    host: answer.host, age: answer.age, failure: answer.failure))
        }
    }
}
