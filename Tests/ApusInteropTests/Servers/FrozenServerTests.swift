import Apus
import Foundation
import Glibc
import Loopback
import Testing

/// nghttpd that freezes, wakes, dies and comes back under requests.
@Suite("nghttpd in trouble", .timeLimit(.minutes(5)), .installed(.nghttpd), .serialized)
struct FrozenServerTests {
    /// A server for this test only, without TLS, so that no other test affects it.
    private static func start(_ name: String, ports: [String: UInt16] = [:]) throws
        -> RunningServer
    {
        let site = try ServedFiles.files.get().folder
        let program = try #require(Programs.path("nghttpd"))
        return try RunningServer.start(
            .init(name: name, portNames: ["PORT"], ports: ports) { ports, _ in
                [
                    program, "--no-tls", "--address=127.0.0.1", "--htdocs=\(site)",
                    "--echo-upload", String(ports["PORT"] ?? 0),
                ]
            })
    }

    private static func engine(deadAfter: Duration) throws -> (TransportEngine, ExecutorClient) {
        var tuning = EngineTuning.patient
        tuning.http2.pingAfter = .milliseconds(200)
        tuning.http2.suspectAfter = .milliseconds(200)
        tuning.http2.deadAfter = deadAfter
        let engine = try TransportEngine(tuning)
        return (engine, ExecutorClient(engine, versions: .http2Only))
    }

    @Test func row73_aFrozenServerGetsNoNewStreamsAndContinuesItsOldOnes() async throws {
        let server = try Self.start("nghttpd-frozen")
        let url = "http://127.0.0.1:\(server.ports["PORT"] ?? 0)"
        let files = try ServedFiles.files.get()
        let (engine, client) = try Self.engine(deadAfter: .seconds(600))
        let old = try await client.send(.get(url + files.large.path))
        let reader = old.body.makeAsyncIterator()
        var count = try await reader.next()?.count ?? 0
        #expect(server.signal(SIGSTOP))
        try await eventually("it is suspected") {
            engine.snapshot().connectionEntries.contains { $0.state == .suspect }
        }
        // What is new goes to a connection of its own, which the frozen server's system accepts.
        async let new = client.send(.get(url + files.small.path))
        try await eventually("a fresh connection") { engine.snapshot().connectionsOpened == 2 }
        #expect(engine.snapshot().counters.closes.isEmpty)
        #expect(server.signal(SIGCONT))
        let response = try await new
        #expect(response.info.isReused == false)
        #expect(try await response.body.collect(upTo: 10_000).count == files.small.size)
        while let chunk = try await reader.next() { count += chunk.count }
        #expect(count == files.large.size)
        #expect(engine.snapshot().counters.closes.isEmpty)
        await engine.shutdown()
        server.stop()
    }

    @Test func row73_aServerThatStaysFrozenFailsItsStreamsWhenItIsDead() async throws {
        let server = try Self.start("nghttpd-dead")
        let url = "http://127.0.0.1:\(server.ports["PORT"] ?? 0)"
        let files = try ServedFiles.files.get()
        let (engine, client) = try Self.engine(deadAfter: .seconds(3))
        let old = try await client.send(.get(url + files.large.path))
        try await eventually("it has answered a PING") {
            engine.snapshot().learnedWays.first?.pingTimeSeconds != nil
        }
        let start = ContinuousClock.now
        #expect(server.signal(SIGSTOP))
        let error = await #expect(throws: TransportError.self) {
            for try await _ in old.body {}
        }
        #expect(error?.kind == .timeout)
        #expect(error?.replay == .responseStarted)
        // The unanswered PING may have been sent just before the freeze.
        #expect(start.duration(to: .now) >= .milliseconds(2500))
        #expect(engine.snapshot().counters.closes(.timeout) == 1)
        #expect(server.signal(SIGCONT))
        let next = try await client.send(.get(url + files.small.path))
        #expect(try await next.body.collect(upTo: 10_000).count == files.small.size)
        await engine.shutdown()
        server.stop()
    }

    @Test func aServerKilledUnder64StreamsLeavesEachWithItsVerdict() async throws {
        let first = try Self.start("nghttpd-killed")
        let ports = first.ports
        let url = "http://127.0.0.1:\(ports["PORT"] ?? 0)"
        let files = try ServedFiles.files.get()
        let (engine, client) = try Self.engine(deadAfter: .seconds(600))
        // 32 amid their bodies, 32 whose uploads have no end.
        var downloads: [Response] = []
        for _ in 0..<32 { downloads.append(try await client.send(.get(url + files.large.path))) }
        let uploads = (0..<32).map { _ in
            Task {
                try await client.send(.post(url + "/echo"), body: .stream { EndlessBody() })
            }
        }
        try await eventually("64 streams") { engine.snapshot().exchanges == 64 }
        #expect(first.signal(SIGKILL))
        for download in downloads {
            let error = await #expect(throws: TransportError.self) {
                for try await _ in download.body {}
            }
            #expect(error?.replay == .responseStarted)
            #expect([.reset, .truncated].contains(error?.kind))
        }
        for upload in uploads {
            do {
                let response = try await upload.value
                // The echo had begun: its end is an error all the same.
                let error = await #expect(throws: TransportError.self) {
                    for try await _ in response.body {}
                }
                #expect(error?.replay == .responseStarted)
            } catch let error as TransportError {
                if error.replay == .notSent {
                    // It was not sent, was tried again, and found no listener.
                    #expect(error.kind == .connect(errno: ECONNREFUSED))
                } else {
                    // Sent and not answered: its effect is unknown.
                    #expect(error.replay == .unknown)
                    #expect([.reset, .truncated].contains(error.kind))
                }
            }
        }
        first.stop()
        let second = try Self.start("nghttpd-again", ports: ports)
        let next = try await client.send(.get(url + files.small.path))
        #expect(try await next.body.collect(upTo: 10_000).count == files.small.size)
        #expect(engine.snapshot().exchanges <= 1)
        await engine.shutdown()
        second.stop()
    }
}

/// A body that never ends, a little at a time.
private struct EndlessBody: AsyncSequence, Sendable {
    func makeAsyncIterator() -> Iterator { Iterator() }

    struct Iterator: AsyncIteratorProtocol {
        mutating func next() async throws(any Error) -> Bytes? {
            do { try await Task.sleep(for: .milliseconds(20)) } catch { throw error }
            return Bytes("x")
        }

        mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> Bytes?
        {
            try await next()
        }
    }
}
