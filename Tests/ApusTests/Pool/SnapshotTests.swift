import Apus
import Foundation
import Loopback
import Testing

/// A snapshot explains what the engine holds, and holds no secret.
@Suite(.timeLimit(.minutes(5))) struct SnapshotTests {
    @Test func eachConnectionIsListed() async throws {
        try await withStand(.http1) { stand in
            let hanging = Task { try await stand.get("/hang") }
            try await eventually("the request is at the origin") {
                stand.server.counters.currentRequests == 1
            }
            _ = try await stand.get("/").body.collect(upTo: 100)
            let snapshot = stand.engine.snapshot()
            let leased = try #require(snapshot.connectionEntries.first { $0.state == .leased })
            let idle = try #require(snapshot.connectionEntries.first { $0.state == .idle })
            #expect(snapshot.connectionEntries.count == 2)
            #expect(leased.id != idle.id)
            #expect(leased.streams == 1 && idle.streams == 0)
            #expect(leased.capacity == 1)
            #expect(leased.idleSeconds == nil)
            #expect(try #require(idle.idleSeconds) >= 0)
            #expect(leased.ageSeconds > 0)
            for entry in [leased, idle] {
                #expect(entry.route == "http://localhost:\(stand.server.port)")
                #expect(entry.protocolName == "http/1.1")
                #expect(entry.remoteAddress == "127.0.0.1:\(stand.server.port)")
                #expect(!entry.insecureSkipVerify)
            }
            #expect(
                snapshot.routes.map(\.description) == [
                    "http://localhost:\(stand.server.port): 1 leased, 1 idle, 0 dialling, 0 waiting"
                ])
            hanging.cancel()
        }
    }

    @Test func streamsOfOneConnectionAreCounted() async throws {
        try await withStand(.http2OverTLS) { stand in
            _ = try await stand.get("/").body.collect(upTo: 100)
            let hanging = (0..<3).map { _ in Task { try await stand.get("/hang") } }
            try await eventually("they are at the origin") {
                stand.server.counters.currentRequests == 3
            }
            let entry = try #require(stand.engine.snapshot().connectionEntries.first)
            #expect(entry.streams == 3)
            #expect(entry.capacity == 100)
            #expect(entry.protocolName == "h2")
            for task in hanging { task.cancel() }
        }
    }

    @Test func aSnapshotSurvivesJSON() async throws {
        try await withStand(.http1) { stand in
            _ = try await stand.get("/").body.collect(upTo: 100)
            let snapshot = stand.engine.snapshot()
            let json = try JSONEncoder().encode(snapshot)
            #expect(try JSONDecoder().decode(EngineSnapshot.self, from: json) == snapshot)
            #expect(snapshot.counters.leases == 1)
        }
    }

    @Test func aWaitersLimitIsNamed() async throws {
        var tuning = EngineTuning.executor
        tuning.pool.maxConnectionsPerHost = 1
        try await withStand(.http1, tuning: tuning) { stand in
            let holder = Task { try await stand.get("/hang") }
            try await eventually("one holds the connection") {
                stand.engine.snapshot().leased == 1
            }
            let waiters = (0..<2).map { _ in Task { try await stand.get("/hang") } }
            try await eventually("two wait") {
                stand.engine.snapshot().waiting == 2 && stand.engine.snapshot().leased == 1
            }
            let route = try #require(stand.engine.snapshot().routes.first)
            #expect(route.waitingFor == .connectionsPerHost)
            #expect(route.description.hasSuffix("2 waiting for: connections per host"))
            // The holder goes last: its place, once free, would be granted to one of them.
            for task in waiters { task.cancel() }
            for task in waiters { _ = await transportError { _ = try await task.value } }
            #expect(stand.engine.snapshot().counters.abandonedWaits == 2)
            holder.cancel()
            _ = await transportError { _ = try await holder.value }
        }
    }

    @Test func noSecretIsInTheJSON() async throws {
        try await withStand(.http1OverTLS) { stand in
            let proxy = try LoopbackConnectProxy()
            defer { proxy.stop() }
            let client = ExecutorClient(
                stand.engine,
                proxy: try ProxySetting(
                    parsing: "http://juliet:hunter2secret@127.0.0.1:\(proxy.port)"),
                isolation: IsolationScope("credential-of-romeo"))
            _ = try await client.send(.get(stand.url("/"))).body.collect(upTo: 100)
            let failing = ExecutorClient(
                stand.engine,
                proxy: try ProxySetting(parsing: "http://juliet:hunter2secret@127.0.0.1:1"),
                isolation: IsolationScope("credential-of-romeo"))
            let error = await transportError { _ = try await failing.send(.get(stand.url("/"))) }
            let snapshot = stand.engine.snapshot()
            let json = String(decoding: try JSONEncoder().encode(snapshot), as: UTF8.self)
            let texts = [json, "\(snapshot)", "\(snapshot.connectionEntries)", "\(error as Any)"]
            let basic = Data("juliet:hunter2secret".utf8).base64EncodedString()
            for text in texts {
                for secret in ["hunter2secret", "juliet", "credential-of-romeo", basic] {
                    #expect(!text.contains(secret))
                }
            }
            #expect(json.contains("scope-"))
            #expect(snapshot.counters.dialFailures == 1)
            #expect(snapshot.connectionEntries.first?.remoteAddress == "127.0.0.1:\(proxy.port)")
        }
    }

    @Test func unverifiedCertificatesAreLoud() async throws {
        try await withStand(.http1OverTLS) { stand in
            #expect(!stand.engine.snapshot().description.contains("NOT VERIFIED"))
            var tuning = EngineTuning.executor
            tuning.tls.insecureSkipVerify = true
            let engine = try TransportEngine(tuning)
            _ = try await engine.send(.get(stand.url("/"))).body.collect(upTo: 100)
            let snapshot = engine.snapshot()
            #expect(snapshot.connectionEntries.map(\.insecureSkipVerify) == [true])
            #expect(snapshot.description.contains("CERTIFICATES NOT VERIFIED"))
            await engine.shutdown()
        }
    }

    @Test func closesAreCountedByTheirReason() async throws {
        try await withStand(.http1) { stand in
            _ = try await stand.get("/close").body.collect(upTo: 100)
            _ = try await stand.get("/").body.collect(upTo: 100)
            // The server may need a moment to call its connection idle.
            try await eventually("the close is seen") {
                stand.server.closeIdleConnections()
                return stand.engine.snapshot().connections == 0
            }
            let counters = stand.engine.snapshot().counters
            #expect(counters.closes == ["connectionClose": 1, "peerClosed": 1])
            #expect(counters.dials == 2 && counters.connectionsOpened == 2)
        }
    }
}
