import ApusCore
@testable import ApusEngine
import ApusPool
import Testing

/// What users read of the pool's state.
@Suite struct EngineSnapshotTests {
    private func machine() -> PoolMachine {
        PoolMachine(EngineTuning.Pool(), http2: EngineTuning.HTTP2(), seed: 1)
    }

    /// Dials a connection for a route, and has it established at another instant.
    private func connect(
        _ machine: inout PoolMachine, _ route: Route, dialled: Deadline, established: Deadline
    ) throws -> ConnectionID {
        let (_, actions) = machine.lease(route, reuse: .pooled, now: dialled)
        let dial = try #require(actions.dial.first)
        let granted = machine.connectionEstablished(
            dial.connection, capacity: 1, isShared: false, isReported: true, now: established)
        #expect(granted.grants.count == 1)
        return dial.connection
    }

    private func snapshot(
        _ machine: PoolMachine, now: Deadline, facts: [ConnectionID: ConnectionFacts] = [:]
    ) -> EngineSnapshot {
        EngineSnapshot(machine.snapshot(now: now), facts: facts, replays: 3)
    }

    @Test func anEmptyPoolHasOnlyReplays() {
        var expected = EngineSnapshot()
        expected.counters.replays = 3
        #expect(snapshot(machine(), now: at(0)) == expected)
    }

    @Test func connectionsAreSortedByAgeAndRoutesByText() throws {
        var machine = machine()
        let second = try connect(&machine, try route(2), dialled: at(1), established: at(4))
        let first = try connect(&machine, try route(3), dialled: at(1), established: at(2))
        let third = try connect(&machine, try route(1), dialled: at(1), established: at(4))
        let snapshot = snapshot(machine, now: at(10))
        #expect(snapshot.connectionEntries.map(\.id) == [first, second, third].map(\.rawValue))
        #expect(snapshot.connectionEntries.map(\.ageSeconds) == [8, 6, 6])
        #expect(
            snapshot.routes.map(\.route) == ["http://host-1", "http://host-2", "http://host-3"])
    }

    @Test func aConnectionHasItsFactsAndAnotherNone() throws {
        var machine = machine()
        let known = try connect(&machine, try route(1), dialled: at(1), established: at(2))
        let actions = machine.release(known, now: at(5))
        #expect(actions.close.isEmpty)
        _ = try connect(&machine, try route(2), dialled: at(3), established: at(3))
        let facts = ConnectionFacts(
            protocolName: "http/1.1", remoteAddress: "127.0.0.1:80", tls: nil)
        let entries = snapshot(machine, now: at(7), facts: [known: facts]).connectionEntries
        #expect(entries.map(\.protocolName) == ["http/1.1", nil])
        #expect(entries.map(\.remoteAddress) == ["127.0.0.1:80", nil])
        #expect(entries.map(\.state) == [.idle, .leased])
        #expect(entries.map(\.idleSeconds) == [2, nil])
        #expect(entries.map(\.streams) == [0, 1])
    }

    @Test func everyCounterAndCountIsCopied() throws {
        var machine = machine()
        let kept = try connect(&machine, try route(1), dialled: at(1), established: at(1))
        _ = machine.release(kept, now: at(2))
        _ = machine.lease(try route(1), reuse: .pooled, now: at(2))
        let closed = try connect(&machine, try route(2), dialled: at(2), established: at(2))
        _ = machine.connectionClosed(closed, reason: .peerClosed, now: at(3))
        let (_, failing) = machine.lease(try route(3), reuse: .pooled, now: at(3))
        _ = machine.dialFailed(try #require(failing.dial.first).connection, now: at(4))
        let (_, refused) = machine.lease(try route(3), reuse: .pooled, now: at(4))
        #expect(refused.dial.isEmpty)
        _ = machine.lease(try route(4), reuse: .pooled, now: at(4))
        let found = snapshot(machine, now: at(4))
        let pool = machine.counters
        let counters = found.counters
        #expect(counters.dials == 4 && pool.dials == 4)
        #expect(counters.dialFailures == 1)
        #expect(counters.connectionsOpened == 2)
        #expect(counters.closes == ["peerClosed": 1])
        #expect(counters.leases == 3)
        #expect(counters.reuses == 1)
        #expect(counters.waits == 4)
        #expect(counters.failedWaits == 1)
        #expect(counters.refusals == 1)
        #expect(counters.replays == 3)
        #expect(found.connections == 2)
        #expect(found.leased == 1)
        #expect(found.dialling == 1)
        #expect(found.waiting == 1)
        #expect(found.exchanges == 1)
    }

    @Test func aRouteWithUnverifiedCertificatesSaysSo() throws {
        var tls = EngineTuning.TLS()
        tls.insecureSkipVerify = true
        var machine = machine()
        let route = Route(origin: try Origin(scheme: .https, host: "a"), tls: tls)
        _ = try connect(&machine, route, dialled: at(1), established: at(1))
        let snapshot = snapshot(machine, now: at(1))
        #expect(snapshot.connectionEntries.map(\.insecureSkipVerify) == [true])
        #expect(snapshot.routes.map(\.insecureSkipVerify) == [true])
    }
}
