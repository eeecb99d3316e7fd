import Apus
import LoopFixtures
import Loopback
import Testing

/// The pool under many at once: its limits are exact, it keeps order, and nothing is left over.
@Suite(.timeLimit(.minutes(Soak.isWhole ? 240 : 5)), .serialized) struct PoolSoakTests {
    @Test(
        "64 tasks on four connections, with random cancels: never a fifth, in order of arrival",
        arguments: [ProtocolVariant.http1, .http1OverTLS, .http2OverTLS])
    func fourConnections(_ variant: ProtocolVariant) async throws {
        let exchanges = Soak.rounds(100_000, short: 3000)
        var tuning = EngineTuning.executor
        tuning.relaxBudgets()
        tuning.pool.maxConnectionsPerHost = 4
        tuning.pool.maxWaitersPerHost = 64
        // Few enough that most requests wait, also where the engine is slower than its origin.
        tuning.http2.maxStreamsPerConnection = 4
        try await withStand(variant) {
            $0.watchesEstablished = true
        } _: { stand in
            tuning.tls.roots = .file(FixturePaths.pem("ca"))
            let order = ArrivalOrder()
            let engine = try TransportEngine(tuning, observer: order)
            let numbers = Shared(0)
            let cancelled = Shared(0)
            let hung = Shared(0)
            // On the loop, so that events are recorded in order.
            let executor = engine.taskExecutor
            await withTaskGroup(of: Void.self) { group in
                for worker in 0..<64 {
                    group.addTask(executorPreference: executor) {
                        var random = SplitMix(seed: UInt64(worker))
                        let client = ExecutorClient(engine, versions: variant.versions)
                        while numbers.take() < exchanges {
                            let whim = Whim(&random)
                            if whim == .hang { hung.change { $0 += 1 } }
                            let isCancelled = await whim.isCancelled(
                                in: client, at: stand, on: executor, &random)
                            if isCancelled { cancelled.change { $0 += 1 } }
                        }
                    }
                }
            }
            try await eventually("nothing is in flight") { engine.snapshot().exchanges == 0 }
            #expect(hung.value > 0 && cancelled.value >= hung.value)
            #expect(stand.server.peakEstablished <= 4)
            #expect(order.tally.violations == 0)
            #expect(order.tally.servedFromQueue > exchanges / 8)
            #expect(order.tally.begun == exchanges)
            #expect(order.tally.ended == exchanges)
            let snapshot = engine.snapshot()
            #expect(snapshot.waiting == 0)
            #expect(snapshot.connections <= 4)
            Soak.report(
                "\(variant): \(exchanges) exchanges, \(cancelled.value) cancelled, "
                    + "\(order.tally.servedFromQueue) waited and were served in order, "
                    + "\(snapshot.connectionsOpened) connections opened, "
                    + "\(stand.server.peakEstablished) at once at the origin")
            await engine.shutdown()
        }
    }

    @Test("on several loops too, a fresh connection waits for the one that makes room for it")
    func roomOnSeveralLoops() async throws {
        let exchanges = Soak.rounds(20_000, short: 1500)
        var tuning = EngineTuning.executor
        tuning.eventLoops = 3
        tuning.pool.maxConnectionsPerHost = 4
        try await withStand(.http1, tuning: tuning) {
            $0.watchesEstablished = true
        } _: { stand in
            let numbers = Shared(0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<24 {
                    group.addTask {
                        while numbers.take() < exchanges {
                            var options = RequestOptions()
                            options.reuse = [.pooled, .fresh, .oneShot, .fresh][worker % 4]
                            let response = try await stand.client.send(
                                .get(stand.url("/bytes/64")), options: options)
                            #expect(try await response.body.collect(upTo: 64).count == 64)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(stand.server.peakEstablished <= 4)
            #expect(stand.server.counters.connectionsAccepted > exchanges / 2)
            let peak = stand.server.peakEstablished
            Soak.report(
                "three loops: \(exchanges) exchanges on "
                    + "\(stand.server.counters.connectionsAccepted) connections, \(peak) at once")
        }
    }

    @Test("R14, R31: scopes through two proxies never keep more idle connections than the total")
    func scopesThroughTwoProxies() async throws {
        let scopes = Soak.rounds(2000, short: 96)
        let (maxIdle, atOnce, batch, busy) = (40, 16, 48, 6)
        var tuning = EngineTuning.executor
        tuning.pool.maxIdle = maxIdle
        try await withStand(.http1OverTLS, tuning: tuning) { stand in
            let (http, socks) = (try LoopbackConnectProxy(), try LoopbackSOCKSProxy())
            let proxies = try [
                ProxySetting(parsing: "http://user:word@127.0.0.1:\(http.port)"),
                ProxySetting(parsing: "socks5h://127.0.0.1:\(socks.port)"),
            ]
            let before = Soak.descriptors()
            var memory: [Int] = []
            // These are in use all the while.
            var streams: [Response] = []
            for index in 0..<busy {
                let client = ExecutorClient(
                    stand.engine, proxy: proxies[index % 2],
                    isolation: IsolationScope("busy \(index)"))
                streams.append(try await client.send(.get(stand.url("/head-then-hang"))))
            }
            for first in stride(from: 0, to: scopes, by: batch) {
                try await send(
                    scopes: first..<min(first + batch, scopes), atOnce, proxies, stand)
                let idle = stand.engine.snapshot().idle
                #expect(idle == min(maxIdle, first + batch, scopes))
                // The origin comes to see the very same: what was evicted is gone.
                try await eventually("the origin sees \(idle) idle and \(busy) busy ones") {
                    let seen = stand.server.connections
                    return seen.count == idle + busy && seen.count(where: \.isIdle) == idle
                }
                memory.append(Soak.residentKiB())
            }
            #expect(streams.count == busy)
            streams = []
            try await eventually("they are over") { stand.engine.snapshot().exchanges == 0 }
            #expect(stand.server.counters.requests == scopes * 10 + busy)
            let peak = stand.server.counters.peakConnections
            stand.engine.closeIdleConnections()
            try await expectNothingLeft(of: stand)
            try await eventually("the proxies have nothing left either") {
                descriptors(connectedTo: http.port) + descriptors(connectedTo: socks.port)
                    + http.counters.connectionsOpen + socks.counters.connectionsOpen == 0
            }
            // From the first batches on, memory grows by no more than the TLS sessions that are
            // kept for the next visit, and without them it is back where it was.
            let (early, late) = (memory[min(2, memory.count - 1)], Soak.residentKiB())
            stand.engine.drain { _ in true }
            let drained = Soak.residentKiB(trimmed: true)
            if Soak.isAlone {
                // While they came and went: the idle, those in use, and those whose end the origin
                // had yet to read.
                #expect(peak <= maxIdle + 2 * atOnce + busy)
                #expect(late - early < 24 * 1024, "\(memory)")
                #expect(drained - early < 4 * 1024, "\(memory)")
                try await eventually("descriptors are back", within: .seconds(60)) {
                    Soak.descriptors() <= before + 2
                }
            }
            Soak.report(
                "\(scopes) scopes through two proxies: \(peak) connections at once at the origin, "
                    + "\(before) descriptors before, \(Soak.descriptors()) after, "
                    + "\(early) KiB after three batches, \(late) KiB at the end, "
                    + "\(drained) KiB without the sessions kept")
            http.stop()
            socks.stop()
        }
    }

    /// Ten requests for each of these scopes, `atOnce` scopes at a time; the pool's idle
    /// connections are looked at all the while.
    private func send(
        scopes: Range<Int>, _ atOnce: Int, _ proxies: [ProxySetting], _ stand: Stand
    ) async throws {
        let maxIdle = stand.engine.tuning.pool.maxIdle ?? .max
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, scope) in scopes.enumerated() {
                if index >= atOnce { try await group.next() }
                #expect(stand.engine.snapshot().idle <= maxIdle)
                group.addTask {
                    let client = ExecutorClient(
                        stand.engine, proxy: proxies[scope % 2],
                        isolation: IsolationScope("scope \(scope)"))
                    for _ in 0..<10 {
                        let response = try await client.send(.get(stand.url("/bytes/100")))
                        #expect(try await response.body.collect(upTo: 100).count == 100)
                        #expect(stand.engine.snapshot().idle <= maxIdle)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// Neither the engine nor the origin holds anything any more.
    private func expectNothingLeft(of stand: Stand) async throws {
        try await eventually("nothing is left in the engine and at the origin") {
            let left = stand.engine.snapshot()
            return left.connections + left.exchanges + left.waiting + left.routes.count == 0
                && stand.server.connections.isEmpty && stand.server.counters.connectionsOpen == 0
                && descriptors(connectedTo: stand.server.port) == 0
        }
    }

    @Test(
        "row 91: a cancel against a completion has one outcome, each time",
        arguments: [ProtocolVariant.http1, .http2OverTLS])
    func cancelAgainstCompletion(_ variant: ProtocolVariant) async throws {
        let rounds = Soak.rounds(100_000, short: 2000)
        try await withStand(variant) { stand in
            let order = ArrivalOrder()
            var tuning = relaxedTuning
            tuning.tls.roots = .file(FixturePaths.pem("ca"))
            let engine = try TransportEngine(tuning, observer: order)
            let client = ExecutorClient(engine, versions: variant.versions)
            var random = SplitMix(seed: 91)
            var (whole, cut) = (0, 0)
            var yields: UInt64 = 4
            for _ in 0..<rounds {
                let task = Task {
                    let response = try await client.send(.get(stand.url("/bytes/64")))
                    return try await response.body.collect(upTo: 64).count
                }
                // Aims at the moment of completion: sooner when that was missed, later when not.
                for _ in 0..<random.next() % yields { await Task.yield() }
                task.cancel()
                switch await task.result {
                case .success(let count):
                    #expect(count == 64)
                    whole += 1
                    yields = max(2, yields - yields / 8 - 1)
                case .failure(let error as TransportError):
                    #expect(error.isCancelled, "\(error)")
                    cut += 1
                    yields = min(1 << 14, yields + yields / 8 + 1)
                case .failure(let error): Issue.record(error)
                }
            }
            #expect(whole + cut == rounds)
            #expect(whole > 0 && cut > 0, "\(whole) whole, \(cut) cancelled")
            try await eventually("each exchange has ended once") {
                order.tally.ended == order.tally.begun
            }
            #expect(order.tally.endedTwice == 0)
            #expect(order.tally.begun == rounds)
            try await eventually("no place is held") { engine.snapshot().exchanges == 0 }
            #expect(engine.snapshot().waiting == 0)
            Soak.report("\(variant): \(rounds) races, \(whole) completed, \(cut) cancelled")
            await engine.shutdown()
        }
    }

    @Test("row 94: after connections that end with each answer no resource remains")
    func connectionChurn() async throws {
        let rounds = Soak.rounds(10_000, short: 600)
        try await withStand(.http1) { stand in
            var memory: [Int] = []
            let before = Soak.descriptors()
            for index in 0..<rounds {
                let response = try await stand.get("/close")
                #expect(String(try await response.body.collect(upTo: 100)) == "hello\n")
                #expect(!response.info.isReused)
                if index.isMultiple(of: max(1, rounds / 10)) { memory.append(Soak.residentKiB()) }
            }
            try await expectNothingLeft(of: stand)
            let snapshot = stand.engine.snapshot()
            #expect(snapshot.connectionsOpened == rounds)
            #expect(snapshot.counters.closes == ["connectionClose": rounds])
            let late = Soak.residentKiB()
            if Soak.isAlone { #expect(late - memory[2] < 16 * 1024, "\(memory)") }
            Soak.report(
                "\(rounds) connections for a request each: \(before) descriptors before, "
                    + "\(Soak.descriptors()) after, KiB at each tenth: \(memory), end \(late)")
        }
    }

    @Test("R31: descriptors and memory return to where they were after churning through proxies")
    func churnThroughProxies() async throws {
        var tuning = EngineTuning.executor
        tuning.pool.maxIdle = 8
        try await withStand(.http1, tuning: tuning) { stand in
            let (http, socks) = (try LoopbackConnectProxy(), try LoopbackSOCKSProxy())
            var memory: [Int] = []
            let rounds = Soak.rounds(10_000, short: 800)
            for index in 0..<rounds {
                if index % max(1, rounds / 10) == 0 { memory.append(Soak.residentKiB()) }
                let place = index.isMultiple(of: 2) ? "http" : "socks5h"
                let port = index.isMultiple(of: 2) ? http.port : socks.port
                let client = ExecutorClient(
                    stand.engine,
                    proxy: try ProxySetting(
                        parsing: "\(place)://user\(index / 4):x@127.0.0.1:\(port)"))
                _ = try await client.send(.get(stand.url("/"))).body.collect(upTo: 100)
                #expect(stand.engine.snapshot().connections <= 9)
            }
            stand.engine.closeIdleConnections()
            #expect(stand.engine.snapshot().connections == 0)
            try await expectNothingLeft(of: stand)
            try await eventually("no descriptor is left") {
                descriptors(connectedTo: http.port) + descriptors(connectedTo: socks.port)
                    + http.counters.connectionsOpen + socks.counters.connectionsOpen == 0
            }
            let late = Soak.residentKiB()
            if Soak.isAlone { #expect(late - memory[2] < 24 * 1024, "\(memory)") }
            Soak.report("R31: \(rounds) requests, KiB at each tenth: \(memory), end \(late)")
            http.stop()
            socks.stop()
        }
    }

    /// The machine's own test has the manual clock; this one shows that the shell passes the right
    /// time.
    ///
    /// In the short form the test ends what was idle for so long, at the origin, and no other does:
    /// a busy machine would not keep to the origin's own time.
    @Test("an origin's idle time is learned from two closes, and met from then on")
    func learnedIdleTime() async throws {
        let (keeps, rounds): (Duration, Int) =
            Soak.isWhole ? (.seconds(3), 100) : (.milliseconds(1500), 2)
        var tuning = EngineTuning.executor
        // What closes is what was learned.
        tuning.pool.idleTimeout = nil
        try await withStand(.http1, tuning: tuning) {
            if Soak.isWhole { $0.idleTimeout = keeps }
        } _: { stand in
            func exchange() async throws {
                _ = try await stand.client.send(
                    .post(stand.url("/sink")), body: .bytes(Bytes("x"))
                ).body.collect(upTo: 100)
            }
            // Where two periods differ, because the machine was busy, another one is needed.
            var lessons = 0
            try await exchange()
            while !isTaught(stand.engine), lessons < 30 {
                lessons += 1
                try await ContinuousClock().sleep(for: keeps)
                try await eventually("the origin closes") {
                    if !Soak.isWhole { stand.server.closeIdleConnections() }
                    return stand.engine.snapshot().idle == 0
                }
                try await exchange()
            }
            #expect(lessons == 2 || lessons > 2 && !Soak.isWhole)
            for _ in 0..<rounds {
                // Taught: we close first, well before the origin would.
                try await eventually("we close it") { stand.engine.snapshot().idle == 0 }
                try await exchange()
            }
            try await eventually("we close the last") { stand.engine.snapshot().idle == 0 }
            let counters = stand.engine.snapshot().counters
            #expect(counters.closes(.staleReuse) <= 2)
            #expect(counters.closes(.peerClosed) + counters.closes(.staleReuse) == lessons)
            #expect(counters.closes(.idleTimeout) == rounds + 1)
            Soak.report("learned idle time: \(counters.closes) in \(lessons + rounds + 1) rounds")
        }
    }

    /// Whether the engine knows its one peer's idle time, or has closed by it already.
    private func isTaught(_ engine: TransportEngine) -> Bool {
        let snapshot = engine.snapshot()
        if let learned = snapshot.routes.first?.learnedIdleSeconds {
            // Three quarters of the time, or a second less.
            #expect(learned >= (Soak.isWhole ? 2 : 1.125))
            return true
        }
        return snapshot.counters.closes(.idleTimeout) > 0
    }
}

extension Soak {
    /// Whether the process's memory and descriptors are this run's alone, and may be judged: beside
    /// other suites their owner is unknown.
    static var isAlone: Bool { isWhole && !isSanitized }
}

/// What becomes of one exchange of many: some are cancelled in line, some in their body, where a
/// connection of HTTP/1.1 goes with its exchange.
private enum Whim {
    case read, cancelSometime, cancelBody, hang

    init(_ random: inout SplitMix) {
        switch random.next() % 16 {
        case 0: self = .cancelBody
        case 1: self = .hang
        case 2: self = .cancelSometime
        default: self = .read
        }
    }

    private var path: String {
        switch self {
        case .read, .cancelSometime: "/bytes/512"
        case .cancelBody: "/bytes/600000"
        case .hang: "/head-then-hang"
        }
    }

    /// Follows it; whether the exchange was cancelled, and did not end before that.
    func isCancelled(
        in client: ExecutorClient, at stand: Stand, on executor: any TaskExecutor,
        _ random: inout SplitMix
    ) async -> Bool {
        let task = Task(executorPreference: executor) {
            let response = try await client.send(.get(stand.url(path)))
            if self == .cancelBody || self == .hang { withUnsafeCurrentTask { $0?.cancel() } }
            return try await response.body.collect(upTo: 600_000).count
        }
        if self == .cancelSometime {
            for _ in 0..<random.next() % 64 { await Task.yield() }
            task.cancel()
        }
        switch await task.result {
        // What is at hand is read without a wait, and only a wait is cancelled: a long body may
        // still be had whole, one that hangs never.
        case .success(let count): #expect(count == (self == .cancelBody ? 600_000 : 512))
        case .failure(let error as TransportError) where error.isCancelled: return true
        case .failure(let error): Issue.record(error)
        }
        return false
    }
}

/// Checks that those who wait are served in the order in which they came, and that each exchange
/// begins and ends once.
final class ArrivalOrder: EngineObserver {
    struct Tally {
        var begun = 0
        var ended = 0
        var endedTwice = 0
        var violations = 0
        var servedFromQueue = 0
        fileprivate var open: Set<UInt64> = []
        fileprivate var places: [UInt64: Int] = [:]
        fileprivate var lastPlace = 0
        fileprivate var lastServed = 0
    }

    private let state = Guarded(Tally())

    var tally: Tally { state.withLock { $0 } }

    func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
        state.withLock { tally in
            switch event {
            case .exchangeBegun(let exchange, _, _, _):
                tally.begun += 1
                tally.open.insert(exchange)
            case .exchangeQueued(let exchange, _, _, _):
                tally.lastPlace += 1
                tally.places[exchange] = tally.lastPlace
            case .exchangeStarted(let exchange, _, _):
                guard let place = tally.places.removeValue(forKey: exchange) else { return }
                tally.servedFromQueue += 1
                if place < tally.lastServed { tally.violations += 1 }
                tally.lastServed = place
            case .exchangeCompleted(let summary), .exchangeCancelled(let summary),
                .exchangeFailed(let summary, _):
                tally.ended += 1
                tally.places[summary.exchange] = nil
                if tally.open.remove(summary.exchange) == nil { tally.endedTwice += 1 }
            default: return
            }
        }
    }
}
