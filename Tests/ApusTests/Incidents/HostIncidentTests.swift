import Apus
import ApusDial
import ApusEngine
import ApusSocket
import HTTPTypes
import LoopFixtures
import Loopback
import Testing

private typealias Frames = HTTP2Frames
private typealias Step = ScriptedPeer.Step

/// The host has slept, or has lost the address that its connections are bound to: incident B7.
@Suite(.timeLimit(.minutes(5))) struct HostIncidentTests {
    /// Clocks of which one goes on while the system sleeps.
    private final class Clocks: Sendable {
        private let slept = Guarded(Duration.zero)

        func sleep(_ duration: Duration) { slept.withLock { $0 += duration } }

        var hooks: DialHooks {
            var hooks = DialHooks()
            hooks.clocks = { [self] in
                let now = Deadline.now()
                return ClockPair(awake: now, whole: now.advanced(by: slept.withLock { $0 }))
            }
            return hooks
        }
    }

    private static let answer = Step.sendText("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")

    private static let patient: EngineTuning = {
        var tuning = relaxedTuning
        tuning.pool.idleTimeout = nil
        return tuning
    }()

    @Test("B7: after a sleep idle connections are closed, and the next request dials")
    func idleConnectionsEndWithASleep() async throws {
        let peer = try ScriptedPeer(everyConnection: [.expectHead, Self.answer, .readUntilEnd])
        defer { peer.stop() }
        let clocks = Clocks()
        let core = try Engine(Self.patient, hooks: clocks.hooks)
        let engine = TransportEngine(core)
        let url = "http://127.0.0.1:\(peer.port)/"
        let first = try await engine.send(.get(url)).body.collect(upTo: 10)
        #expect(first.count == 3)
        clocks.sleep(.seconds(4))
        core.clocksChanged()
        clocks.sleep(.seconds(3600))
        core.clocksChanged()
        try await eventually("it is closed") { engine.snapshot().connections == 0 }
        #expect(engine.snapshot().counters.closes(.systemSlept) == 1)
        _ = try await engine.send(.post(url)).body.collect(upTo: 10)
        #expect(peer.connectionCount == 2)
        #expect(engine.snapshot().counters.replays == 0)
        await engine.shutdown()
        #expect(descriptors(connectedTo: peer.port) == 0)
    }

    @Test("B7: after a sleep a busy HTTP/2 connection is asked by a PING at once")
    func busyConnectionsAreAskedAfterASleep() async throws {
        let peer = try ScriptedPeer([
            [
                .send(Frames.settings()), .request(1), .signal("asked"),
                .expectFrame(Frames.pingType), .pong, .signal("answered"),
                .send(Frames.head(1, end: true)), .readUntilEnd,
            ]
        ])
        defer { peer.stop() }
        let clocks = Clocks()
        var tuning = Self.patient
        tuning.http2.pingAfter = .seconds(3600)
        let core = try Engine(tuning, hooks: clocks.hooks)
        let engine = TransportEngine(core)
        let client = ExecutorClient(engine, versions: .http2Only)
        let url = "http://127.0.0.1:\(peer.port)/"
        async let response = client.send(.get(url))
        #expect(await peer.signal("asked"))
        clocks.sleep(.seconds(3600))
        core.clocksChanged()
        #expect(await peer.signal("answered"))
        let status = try await response.status
        #expect(status == .ok)
        await engine.shutdown()
    }

    @Test("B7: without the option a sleep changes nothing")
    func theSwitch() async throws {
        let peer = try ScriptedPeer(
            everyConnection: [.expectHead, Self.answer, .expectHead, Self.answer, .readUntilEnd])
        defer { peer.stop() }
        let clocks = Clocks()
        var tuning = Self.patient
        tuning.pool.noticesSleep = false
        let core = try Engine(tuning, hooks: clocks.hooks)
        let engine = TransportEngine(core)
        let url = "http://127.0.0.1:\(peer.port)/"
        for _ in 0..<2 {
            _ = try await engine.send(.get(url)).body.collect(upTo: 10)
            clocks.sleep(.seconds(3600))
            core.clocksChanged()
        }
        #expect(peer.connectionCount == 1)
        await engine.shutdown()
    }

    // MARK: Lost addresses

    /// An engine in a network of its own, whose connections are bound to an address that goes.
    private func withLostAddress(
        _ script: [Step], versions: HTTPVersionPolicy = .http1Only(alpn: .http1),
        _ tune: (inout EngineTuning) -> Void = { _ in },
        _ body: (TransportEngine, ExecutorClient, ScriptedPeer, NetworkNamespace) async throws ->
            Void
    ) async throws {
        let network = try await NetworkNamespace()
        for address in [Self.lost, "10.77.0.2"] {
            try await network.run("addr add \(address)/32 dev lo")
        }
        let peer = try await network.inside { try ScriptedPeer(everyConnection: script) }
        defer { peer.stop() }
        var tuning = Self.patient
        tuning.dial.localAddress = Self.lost
        tune(&tuning)
        let engine = TransportEngine(try Engine(tuning))
        await Task(executorPreference: engine.taskExecutor) { network.enter() }.value
        do {
            let client = ExecutorClient(engine, versions: versions)
            try await body(engine, client, peer, network)
        } catch {
            Issue.record(error)
        }
        await engine.shutdown()
    }

    private static let lost = "10.77.0.1"

    private static var canPlay: ConditionTrait {
        .enabled(
            if: NetworkNamespace.obstacle == nil,
            "\(NetworkNamespace.obstacle ?? "there is no network namespace")")
    }

    @Test("B7: an idle connection ends with its local address", canPlay)
    func idleConnectionsEndWithTheirAddress() async throws {
        let script: [Step] = [.expectHead, Self.answer, .readUntilEnd]
        try await withLostAddress(script) { engine, client, peer, network in
            _ = try await client.send(.get("http://127.0.0.1:\(peer.port)/")).body.collect(upTo: 10)
            #expect(engine.snapshot().idle == 1)
            // The address of another connection.
            try await network.run("addr del 10.77.0.2/32 dev lo")
            try await network.run("addr del \(Self.lost)/32 dev lo")
            try await eventually("it is closed") { engine.snapshot().connections == 0 }
            #expect(engine.snapshot().counters.closes(.localAddressLost) == 1)
        }
    }

    @Test(
        "B7: a busy connection fails with an error that names the lost address", canPlay,
        arguments: [false, true])
    func busyConnectionsFailWithTheirAddress(isHTTP2: Bool) async throws {
        let script: [Step] =
            isHTTP2
            ? [.send(Frames.settings()), .request(1), .signal("asked"), .readUntilEnd]
            : [.expectHead, .signal("asked"), .readUntilEnd]
        let versions: HTTPVersionPolicy = isHTTP2 ? .http2Only : .http1Only(alpn: .http1)
        try await withLostAddress(script, versions: versions) { engine, client, peer, network in
            let url = "http://127.0.0.1:\(peer.port)/"
            let request = Task {
                await transportError { _ = try await client.send(.post(url)) }
            }
            #expect(await peer.signal("asked"))
            try await network.run("addr del \(Self.lost)/32 dev lo")
            let error = try #require(await request.value)
            #expect(error.kind == .reset && error.replay == .unknown)
            #expect(error.message.contains("the local address \(Self.lost):"))
            #expect(error.message.contains("was removed from this system"))
            let end = try #require(error.connectionEnd)
            #expect(end.sign == .localAddressLost && end.cutBy == .here)
            #expect(engine.snapshot().counters.closes(.localAddressLost) == 1)
        }
    }

    @Test("B7: an address that is added again, or that another interface has, is not lost", canPlay)
    func anAddressThatIsStillThere() async throws {
        let script: [Step] = [.expectHead, Self.answer, .expectHead, Self.answer, .readUntilEnd]
        try await withLostAddress(script) { engine, client, peer, network in
            let url = "http://127.0.0.1:\(peer.port)/"
            _ = try await client.send(.get(url)).body.collect(upTo: 10)
            try await network.run("link add void0 type veth peer name void1")
            try await network.run("addr add \(Self.lost)/32 dev void0")
            try await network.run("addr del \(Self.lost)/32 dev lo")
            // What the engine hears of the next address it hears after that.
            _ = try await client.send(.get(url)).body.collect(upTo: 10)
            #expect(peer.connectionCount == 1)
            #expect(engine.snapshot().counters.closes(.localAddressLost) == 0)
        }
    }

    @Test("B7: without the option the connection stays", canPlay)
    func theSwitchForAddresses() async throws {
        let script: [Step] = [.expectHead, Self.answer, .readUntilEnd]
        try await withLostAddress(script, { $0.dial.watchesLocalAddresses = false }) {
            engine, client, peer, network in
            _ = try await client.send(.get("http://127.0.0.1:\(peer.port)/")).body.collect(upTo: 10)
            try await network.run("addr del \(Self.lost)/32 dev lo")
            #expect(engine.snapshot().counters.closes(.localAddressLost) == 0)
            #expect(engine.snapshot().idle == 1)
        }
    }
}
