import Apus
import ApusEngine
import ApusSocket
import Glibc
import Loopback
import Testing

/// Networks that lose packets without a word: rows 2, 3 and 21, in a namespace made for each test.
///
/// Skipped, and said so, where there is no root or no iproute2.
@Suite(
    .timeLimit(.minutes(5)),
    .enabled(
        if: NetworkNamespace.obstacle == nil,
        "\(NetworkNamespace.obstacle ?? "there is no network namespace")"))
struct DialNetworkTests {
    /// An engine whose one loop lives in the namespace, with every socket that it opens.
    private func withEngine(
        in network: NetworkNamespace, _ tuning: EngineTuning = relaxedTuning,
        resolver: any Resolver,
        _ body: (TransportEngine) async throws -> Void
    ) async throws {
        let engine = TransportEngine(try Engine(tuning, resolver: resolver))
        await Task(executorPreference: engine.taskExecutor) { network.enter() }.value
        do {
            try await body(engine)
        } catch {
            await engine.shutdown()
            throw error
        }
        await engine.shutdown()
        expectEmpty(engine)
    }

    @Test("row 3: a blackholed IPv6 costs the attempt delay, and its SYN is seen to be lost")
    func aBlackholedIPv6() async throws {
        let network = try await NetworkNamespace()
        try await network.addVoid(own: ["2001:db8::1"], dead: ["2001:db8::9"])
        let server = try await network.inside { try LoopbackServer() }
        defer { server.stop() }
        let resolver = StubResolver("2001:db8::9", "127.0.0.1")
        // With the default budgets: a SYN that waited for its timeout would take 5 s and fail.
        var tuning = EngineTuning.executor
        tuning.dial.tcpTimeout = nil
        tuning.dial.connectTimeout = nil
        tuning.pool.acquireTimeout = nil
        try await withEngine(in: network, tuning, resolver: resolver) { engine in
            let response = try await engine.send(.get("http://name.test:\(server.port)/"))
            #expect(response.status == .ok)
            _ = try await response.body.collect(upTo: 1 << 16)
            #expect(response.info.connection.remoteAddress == "127.0.0.1:\(server.port)")
            // The kernel itself gives up after two minutes.
            #expect(response.info.connection.connected >= .milliseconds(250))
            #expect(response.info.connection.connected < .seconds(60))
        }
    }

    @Test("row 2: a dropped SYN ends at the configured value, and names the address")
    func aDroppedSYN() async throws {
        let network = try await NetworkNamespace()
        try await network.addVoid(own: ["192.0.2.1"], dead: ["192.0.2.9"])
        var tuning = relaxedTuning
        tuning.dial.tcpTimeout = .milliseconds(300)
        try await withEngine(in: network, tuning, resolver: StubResolver()) { engine in
            let error = await dialError(engine, "http://192.0.2.9:80/")
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .connect)
            #expect(
                error?.attempts == [.init(address: "192.0.2.9:80", outcome: "no answer in time")])
        }
    }

    @Test("rows 2 and 4: a dropped SYN and a refusal before the address that works")
    func allThree() async throws {
        let network = try await NetworkNamespace()
        try await network.addVoid(
            own: ["192.0.2.1", "2001:db8::1"], dead: ["192.0.2.9", "2001:db8::9"])
        let server = try await network.inside { try LoopbackServer() }
        defer { server.stop() }
        var tuning = relaxedTuning
        tuning.dial.attemptDelay = .milliseconds(50)
        let resolver = StubResolver("2001:db8::9", "192.0.2.1", "2001:db8::1", "127.0.0.1")
        try await withEngine(in: network, tuning, resolver: resolver) { engine in
            try await expectStatus(200, engine, "http://name.test:\(server.port)/")
            #expect(engine.snapshot().dialFailures == 0)
        }
    }

    @Test("row 21: a peer that is gone without a word ends by USER_TIMEOUT, not after minutes")
    func aPeerThatIsGone() async throws {
        let network = try await NetworkNamespace()
        try await network.addVoid(own: ["192.0.2.1", "192.0.2.2"], dead: [])
        let port: UInt16 = try await network.inside { try AnswerOnce.start(at: "192.0.2.1") }
        var tuning = relaxedTuning
        tuning.dial.localAddress = "192.0.2.2"
        tuning.dial.userTimeout = .seconds(1)
        tuning.dial.tcpTimeout = .seconds(1)
        try await withEngine(in: network, tuning, resolver: StubResolver()) { engine in
            let url = "http://192.0.2.1:\(port)/"
            try await expectStatus(200, engine, url)
            #expect(engine.snapshot().idle == 1)
            // The peer's machine is gone, and says nothing any more.
            try await network.run("addr del 192.0.2.1/32 dev void0")
            try await network.lose("192.0.2.1")
            let error = await transportError { try await fetch(engine, url) }
            // The idle connection fails, and the new one after it finds no listener.
            #expect(["reset", "connect", "timeout"].contains(error?.kind.name), "\(error as Any)")
            #expect(engine.snapshot().idle == 0)
        }
    }
}

/// A server that answers every request of its one connection, and ends with it.
private enum AnswerOnce {
    static func start(at address: String) throws -> UInt16 {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var local = sockaddr_in()
        local.sin_family = sa_family_t(AF_INET)
        inet_pton(AF_INET, address, &local.sin_addr)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &local) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 1) == 0
                    && getsockname(listener, $0, &length) == 0
            }
        }
        try #require(isListening)
        let isStarted = DetachedThread.start(named: "answer-once") {
            let connection = accept(listener, nil, nil)
            close(listener)
            // A peer that is cut off is not notified: the socket must not wait forever.
            var limit = timeval(tv_sec: 120, tv_usec: 0)
            setsockopt(
                connection, SOL_SOCKET, SO_RCVTIMEO, &limit,
                socklen_t(MemoryLayout<timeval>.size))
            var buffer = [UInt8](repeating: 0, count: 4096)
            while recv(connection, &buffer, buffer.count, 0) > 0 {
                let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8)
                guard send(connection, answer, answer.count, Int32(MSG_NOSIGNAL)) > 0 else { break }
            }
            close(connection)
        }
        try #require(isStarted)
        return UInt16(bigEndian: local.sin_port)
    }
}
