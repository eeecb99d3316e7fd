import Apus
import Glibc
import Loopback
import Testing

/// An engine ends correctly, or in time, and no resource remains.
@Suite(.timeLimit(.minutes(5))) struct ShutdownTests {
    @Test(arguments: ProtocolVariant.allCases)
    func streamsInFlightFinishWhileDraining(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let response = try await stand.get("/sse?n=200&size=100&pace_us=1000")
            let shutdown = Task { await stand.engine.shutdown(drain: .seconds(30)) }
            var events = EventCounter()
            for try await chunk in response.body { events.add(chunk) }
            #expect(events.count == 200)
            #expect(await shutdown.value.isEmpty)
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func whatOutlivesTheDrainIsCutAndNamed(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let response = try await stand.get("/endless")
            let body = response.body.makeAsyncIterator()
            _ = try await body.next()
            let blockers = await stand.engine.shutdown(drain: .milliseconds(50))
            #expect(blockers.count == 1)
            #expect(blockers.first?.contains("localhost") == true)
            let error = await transportError {
                while try await body.next() != nil {}
            }
            #expect(error?.kind == .shutdown)
        }
    }

    @Test func aRequestAfterTheEndIsRefused() async throws {
        try await withStand(.http1) { stand in
            await stand.engine.shutdown()
            let error = await transportError { _ = try await stand.get("/") }
            #expect(error?.kind == .shutdown)
        }
    }

    @Test func endingTwiceIsHarmless() async throws {
        try await withStand(.http2OverTLS) { stand in
            _ = try await stand.get("/").body.collect(upTo: 100)
            await stand.engine.shutdown()
            await stand.engine.shutdown()
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func anEngineThatIsDroppedClosesItsIdleConnections(_ variant: ProtocolVariant) async throws {
        try FixturePaths.ensureCertificates()
        var options = LoopbackServer.Options(
            tls: variant.isTLS ? FixturePaths.certificate("leaf") : nil)
        options.http2PriorKnowledge = variant == .http2PriorKnowledge
        let server = try LoopbackServer(options)
        do {
            var tuning = EngineTuning.executor
            tuning.tls.roots = .file(FixturePaths.pem("ca"))
            let engine = try TransportEngine(tuning)
            let client = ExecutorClient(engine, versions: variant.versions)
            let scheme = variant.isTLS ? "https" : "http"
            let response = try await client.send(.get("\(scheme)://localhost:\(server.port)/"))
            _ = try await response.body.collect(upTo: 100)
            #expect(descriptors(connectedTo: server.port) == 1)
        }
        try await eventually("the connection is closed") {
            descriptors(connectedTo: server.port) == 0
        }
        server.stop()
    }

    @Test(arguments: ProtocolVariant.allCases)
    func theEndLeavesNoThreadAndNoDescriptor(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let threads = await LoopThreads(of: stand.engine)
            _ = try await stand.get("/").body.collect(upTo: 100)
            #expect(threads.alive == 1)
            #expect(descriptors(connectedTo: stand.server.port) == 1)
            await stand.engine.shutdown(drain: .seconds(30))
            #expect(threads.alive == 0)
            #expect(descriptors(connectedTo: stand.server.port) == 0)
        }
    }

    @Test(arguments: [0, 1, 2])
    func anEngineThatIsDroppedEndsItsThreads(_ requests: Int) async throws {
        let server = try LoopbackServer()
        let threads: LoopThreads
        do {
            var tuning = relaxedTuning
            tuning.eventLoops = 3
            let engine = try TransportEngine(tuning)
            threads = await LoopThreads(of: engine)
            #expect(threads.alive == 3)
            for _ in 0..<requests {
                let url = "http://127.0.0.1:\(server.port)/"
                _ = try await engine.send(.get(url)).body.collect(upTo: 100)
            }
        }
        try await eventually("its threads have ended") { threads.alive == 0 }
        server.stop()
    }

    @Test func aTaskThatPrefersAStoppedLoopStillRuns() async throws {
        let engine = try TransportEngine()
        let executor = engine.taskExecutor
        await engine.shutdown()
        let task = Task(executorPreference: executor) {
            await Task.yield()
            return 42
        }
        #expect(await task.value == 42)
    }
}

/// The threads of an engine's loops, where the system shows them for as long as they live:
/// "/proc/<process>/task/<id>".
struct LoopThreads {
    private let places: Set<String>

    /// Asks each loop in turn.
    init(of engine: TransportEngine, threads: Int? = nil) async {
        let count = threads ?? engine.tuning.eventLoops
        var places: Set<String> = []
        for _ in 0..<count {
            places.insert(
                await Task(executorPreference: engine.taskExecutor) { placeOfThisThread() }.value)
        }
        self.places = places
        #expect(places.count == count)
        #expect(places.allSatisfy { LoopThreads.name(at: $0).hasPrefix("apus-loop-") })
    }

    /// How many of them have not ended.
    var alive: Int { places.count { access($0, F_OK) == 0 } }

    private static func name(at place: String) -> String {
        guard let file = fopen(place + "/comm", "r") else { return "" }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 64)
        guard fgets(&line, 64, file) != nil else { return "" }
        return String(
            decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

private func placeOfThisThread() -> String {
    var target = [CChar](repeating: 0, count: 64)
    let count = readlink("/proc/thread-self", &target, target.count)
    return "/proc/"
        + String(decoding: target.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
}
