import Apus
import Loopback
import Testing

/// A dial that uses a connection's room starts after that connection's end.
@Suite(.timeLimit(.minutes(5))) struct DialAfterCloseTests {
    /// From a caller's thread, as one task sends, the connection is on another thread and is asked
    /// to end; nothing but the pool's own patience keeps the dial back until it has.
    @Test("at a limit of one, each dial starts after the previous close", arguments: [1, 4])
    func eachDialWaitsForTheClose(_ tasks: Int) async throws {
        let rounds = isSanitized ? 48 : 300
        let server = try LoopbackServer()
        let chronicle = Chronicle()
        var tuning = relaxedTuning
        tuning.eventLoops = 2
        tuning.pool.maxConnectionsPerHost = 1
        let engine = try TransportEngine(tuning, observer: chronicle)
        var options = RequestOptions()
        options.reuse = .fresh
        try await withThrowingTaskGroup(of: Void.self) { [options] group in
            for _ in 0..<tasks {
                group.addTask {
                    for _ in 0..<rounds / tasks {
                        let response = try await engine.send(
                            .get("http://127.0.0.1:\(server.port)/"), options: options)
                        _ = try await response.body.collect(upTo: 100)
                    }
                }
            }
            try await group.waitForAll()
        }
        await engine.shutdown()
        var (dials, current) = (0, nil as UInt64?)
        for event in chronicle.events {
            switch event {
            case .dialStarted(let id, _):
                dials += 1
                #expect(current == nil, "dial \(dials) starts beside connection \(current ?? 0)")
                current = id
            case .connectionClosed(let id, _, _, _):
                #expect(current == id)
                current = nil
            default: continue
            }
        }
        #expect(dials == rounds)
        #expect(current == nil)
        #expect(server.counters.connectionsAccepted == rounds)
        server.stop()
    }
}
