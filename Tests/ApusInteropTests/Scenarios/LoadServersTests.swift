import Apus
import Glibc
import Loopback
import Testing

/// lighttpd with the stream limit that it has by itself: eight a connection.
@Suite("lighttpd", .timeLimit(.minutes(5)), .running(.lighttpd), .serialized)
struct LighttpdTests {
    @Test(arguments: Peer.lighttpd, Scenario.files + [.head] + Scenario.load)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    @Test(arguments: Peer.lighttpd) func restartsUnderLoad(_ peer: Peer) async throws {
        try await restart(peer)
    }
}

/// Node: HTTP/1.1 in the clear; HTTP/2 over TLS, eight streams a connection.
@Suite("Node", .timeLimit(.minutes(5)), .running(.node), .serialized) struct NodeTests {
    @Test(arguments: Peer.node, Scenario.load)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    @Test(arguments: Peer.node) func restartsUnderLoad(_ peer: Peer) async throws {
        try await restart(peer)
    }
}

/// uvicorn: HTTP/1.1 on h11.
@Suite("uvicorn", .timeLimit(.minutes(5)), .running(.uvicorn), .serialized) struct UvicornTests {
    @Test(arguments: Peer.uvicorn, Scenario.load)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    @Test(arguments: Peer.uvicorn) func restartsUnderLoad(_ peer: Peer) async throws {
        try await restart(peer)
    }
}

/// hypercorn: HTTP/1.1 in the clear; HTTP/2 over TLS, five streams a connection, and strict.
@Suite("hypercorn", .timeLimit(.minutes(5)), .running(.hypercorn), .serialized)
struct HypercornTests {
    @Test(arguments: Peer.hypercorn, Scenario.load)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    /// The server ends a connection hard after 100 requests; the engine ends it before.
    @Test(arguments: Peer.hypercorn)
    func fewerRequestsAConnectionThanTheServerTakesLoseNoPOST(_ peer: Peer) async throws {
        var tuning = EngineTuning.patient
        tuning.pool.maxRequestsPerConnection = 90
        try await Conversation.with(peer, tuning: tuning) { talk in
            let record = LoadRecord()
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask { for _ in 0..<250 { await talk.load(1, record) } }
                }
            }
            let posts = await record.posts
            #expect(posts.values.count { $0 == nil } == 1000)
            await record.expectNothingDoubled(try Tally(of: peer.server.tally))
            #expect(talk.engine.snapshot().connectionsOpened >= 10)
        }
    }

    @Test(arguments: Peer.hypercorn) func restartsUnderLoad(_ peer: Peer) async throws {
        try await restart(peer)
    }
}

/// aiohttp's own server: HTTP/1.1.
@Suite("aiohttp", .timeLimit(.minutes(5)), .running(.aiohttp), .serialized) struct AiohttpTests {
    @Test(arguments: Peer.aiohttp, Scenario.load)
    func answers(_ peer: Peer, _ scenario: Scenario) async throws {
        try await scenario.play(with: peer)
    }

    @Test(arguments: Peer.aiohttp) func restartsUnderLoad(_ peer: Peer) async throws {
        try await restart(peer)
    }
}

/// Ends and starts a server of the test's own, twice, under requests that do not stop.
private func restart(_ peer: Peer) async throws {
    let name = "\(peer.server.rawValue)-restarted-\(peer.portName)\(peer.isHTTP2 ? 2 : 1)"
    let start = { (ports: [String: UInt16]) in
        try await offThePool { Result { try peer.server.start(as: name, ports: ports) } }.get()
    }
    var server = try await start([:])
    let ports = server.ports
    try await Conversation.with(peer.at(ports)) { talk in
        let record = LoadRecord()
        let lanes = Task {
            await withTaskGroup(of: Void.self) { group in
                for lane in 0..<16 {
                    group.addTask {
                        var number = lane
                        while !Task.isCancelled {
                            await talk.load(number, record)
                            number += 1
                            // While there is no listener, each request fails at once.
                            try? await Task.sleep(for: .milliseconds(5))
                        }
                    }
                }
            }
        }
        defer { lanes.cancel() }
        for round in 0..<3 {
            try await answers(100, record)
            guard round < 2 else { break }
            let ended = server
            await offThePool { ended.stop() }
            server = try await start(ports)
        }
        lanes.cancel()
        await lanes.value
        await record.expectNothingDoubled(
            try Tally(of: peer.server.tally(in: server.folder)))
    }
    server.stop()
}

/// Waits for so many more answers.
private func answers(_ count: Int, _ record: LoadRecord) async throws {
    let end = ContinuousClock.now.advanced(by: .seconds(60))
    let goal = await record.answered + count
    while await record.answered < goal {
        let failures = await record.gets.suffix(3)
        try #require(ContinuousClock.now < end, "no answers: \(failures)")
        try await Task.sleep(for: .milliseconds(10))
    }
}
