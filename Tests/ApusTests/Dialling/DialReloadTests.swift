import Apus
import Glibc
import Loopback
import Synchronization
import Testing

/// Roots and identity replaced under a live engine.
@Suite(.timeLimit(.minutes(5))) struct DialReloadTests {
    /// Bytes that a test exchanges under an engine's source.
    private final class Store: Sendable {
        private let current: Mutex<Result<Bytes, any Error>>
        let reads = DialRecorder()

        init(_ path: String) throws {
            current = Mutex(.success(try Store.read(path)))
        }

        func put(_ path: String) throws {
            let bytes = try Store.read(path)
            current.withLock { $0 = .success(bytes) }
        }

        func fail() { current.withLock { $0 = .failure(CancellationError()) } }
        func put(text: String) { current.withLock { $0 = .success(Bytes(text)) } }

        var source: TLSSource {
            TLSSource {
                self.reads.add("")
                return try self.current.withLock { $0 }.get()
            }
        }

        private static func read(_ path: String) throws -> Bytes {
            let file = try #require(fopen(path, "r"))
            defer { fclose(file) }
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            let count = fread(&buffer, 1, buffer.count, file)
            return Bytes(Array(buffer[..<count]))
        }
    }

    private func withEngine(
        trusting store: Store, _ body: (TransportEngine) async throws -> Void
    ) async throws {
        var tuning = relaxedTuning
        tuning.tls.roots = .source(store.source)
        try await ApusTests.withEngine(tuning, body)
    }

    @Test("new roots count from the next handshake on; old connections finish and go")
    func rootsAreReplaced() async throws {
        let server = try secureOrigin()
        defer { server.stop() }
        let store = try Store(FixturePaths.pem("ca"))
        try await withEngine(trusting: store) { engine in
            let url = "https://localhost:\(server.port)"
            // Long enough that it is under way until it is read.
            let running = try await engine.send(.get(url + "/bytes/8000000"))
            let other = ExecutorClient(engine, isolation: "idle")
            try await expectStatus(200, other, url + "/")
            #expect(engine.snapshot().connections == 2)

            try store.put(FixturePaths.pem("untrusted-ca"))
            #expect(try await engine.reloadTLS())
            try await eventually("the idle one is gone") { engine.snapshot().connections == 1 }
            let error = await dialError(engine, url + "/")
            #expect(error?.certificateRefusal?.check == .trust)
            // What was under way goes on to its end.
            var count = 0
            for try await chunk in running.body { count += chunk.count }
            #expect(count == 8_000_000)
            try await eventually("the busy one is gone too") {
                engine.snapshot().connections == 0
            }
            #expect(engine.snapshot().counters.closes(.tlsReloaded) == 2)

            try store.put(FixturePaths.pem("ca"))
            #expect(try await engine.reloadTLS())
            try await expectStatus(200, engine, url + "/")
        }
    }

    @Test("equal bytes change nothing: connections and sessions are used on")
    func equalBytesChangeNothing() async throws {
        let server = try secureOrigin()
        defer { server.stop() }
        let store = try Store(FixturePaths.pem("ca"))
        try await withEngine(trusting: store) { engine in
            let url = "https://localhost:\(server.port)/"
            // Nothing was read yet, so nothing can be another.
            #expect(try await !engine.reloadTLS())
            for _ in 0..<3 {
                try await expectStatus(200, engine, url)
                #expect(try await !engine.reloadTLS())
            }
            #expect(server.counters.connectionsAccepted == 1)
            for _ in 0..<3 { try await expectStatus(200, engine, url, options: .once) }
            #expect(server.counters.tlsResumed > 0)
            #expect(store.reads.list.count >= 4)
        }
    }

    @Test("no session of before is resumed, although the new roots trust server and proxy too")
    func sessionsEnd() async throws {
        let server = try secureOrigin()
        let proxy = try LoopbackProxyKind.https.start(.init())
        defer {
            server.stop()
            proxy.stop()
        }
        let store = try Store(FixturePaths.pem("ca"))
        try await withEngine(trusting: store) { engine in
            let url = "https://localhost:\(server.port)/"
            let setting = try ProxySetting(parsing: "https://localhost:\(proxy.port)")
            let client = ExecutorClient(engine, proxy: setting)
            for _ in 0..<3 { try await fetch(client, url, options: .once) }
            let before = server.counters.tlsResumed
            let beforeAtProxy = proxy.counters.tlsResumed
            #expect(before > 0)
            #expect(beforeAtProxy > 0)
            let both = try TemporaryFile(
                joining: [FixturePaths.pem("ca"), FixturePaths.pem("untrusted-ca")])
            try store.put(both.path)
            #expect(try await engine.reloadTLS())
            try await fetch(client, url, options: .once)
            #expect(server.counters.tlsResumed == before)
            #expect(proxy.counters.tlsResumed == beforeAtProxy)
            for _ in 0..<2 { try await fetch(client, url, options: .once) }
            #expect(server.counters.tlsResumed > before)
            #expect(proxy.counters.tlsResumed > beforeAtProxy)
        }
    }

    @Test("unusable settings are reported, and nothing changes", arguments: [true, false])
    func unusableBytes(fails: Bool) async throws {
        let server = try secureOrigin()
        defer { server.stop() }
        let store = try Store(FixturePaths.pem("ca"))
        try await withEngine(trusting: store) { engine in
            let url = "https://localhost:\(server.port)/"
            try await expectStatus(200, engine, url)
            if fails { store.fail() } else { store.put(text: "no certificate") }
            let error = await transportError { try await engine.reloadTLS() }
            #expect(error?.phase == .tls)
            #expect(error?.message.contains("roots source") == true)
            try await expectStatus(200, engine, url)
            try await expectStatus(200, engine, url, options: .once)
            #expect(engine.snapshot().counters.closes(.tlsReloaded) == 0)
        }
    }

    @Test("what a proxy alone goes by is read anew too, and does not stand in the engine's way")
    func aProxysOwn() async throws {
        let server = try secureOrigin()
        let proxy = try secureProxy("untrusted")
        defer {
            server.stop()
            proxy.stop()
        }
        let store = try Store(FixturePaths.pem("untrusted-ca"))
        var options = ProxyEndpoint.Options()
        options.tls = EngineTuning.TLS()
        options.tls?.roots = .source(store.source)
        let endpoint = try ProxyEndpoint(
            kind: .https, host: "localhost", port: Int(proxy.port), options: options)
        try await ApusTests.withEngine { engine in
            let client = ExecutorClient(engine, proxy: .proxy(endpoint))
            let url = "https://localhost:\(server.port)/"
            try await expectStatus(200, client, url)
            #expect(try await !engine.reloadTLS())
            // Unusable: the engine's own are not, so nothing is thrown.
            store.fail()
            #expect(try await engine.reloadTLS())
            #expect(try await !engine.reloadTLS())
            let error = await dialError(client, url)
            #expect(error?.hop == .proxy)
            #expect(error?.message.contains("roots source") == true)
            // Usable again, and others.
            try store.put(FixturePaths.pem("untrusted-ca"))
            var again = RequestOptions.once
            again.waitsOutBackoff = true
            try await expectStatus(200, client, url, options: again)
            try store.put(FixturePaths.pem("ca"))
            #expect(try await engine.reloadTLS())
            let refused = await dialError(client, url)
            #expect(refused?.hop == .proxy)
            #expect(refused?.certificateRefusal?.check == .trust)
        }
    }

    @Test("a new identity is shown from the next handshake on")
    func theIdentityIsReplaced() async throws {
        let server = try secureOrigin { $0.clientCA = FixturePaths.pem("ca") }
        defer { server.stop() }
        let path = "/tmp/apus-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).pem"
        defer { unlink(path) }
        /// Replaces the file as a careful program does: written beside it, then renamed.
        func put(_ name: String) throws {
            let files = FixturePaths.certificate(name)
            let both = try TemporaryFile(joining: [files.chain, files.key])
            try #require(link(both.path, path + ".next") == 0)
            try #require(rename(path + ".next", path) == 0)
        }
        try put("client")
        var tuning = relaxedTuning
        tuning.tls.identity = .init(certificateFile: path, keyFile: path)
        try await ApusTests.withEngine(tuning) { engine in
            let url = "https://localhost:\(server.port)/"
            try await expectStatus(200, engine, url)
            try put("other-client")
            #expect(try await engine.reloadTLS())
            try await expectStatus(200, engine, url)
            #expect(server.counters.connectionsAccepted == 2)
            #expect(server.counters.tlsResumed == 0)
            #expect(try await !engine.reloadTLS())
            try await expectStatus(200, engine, url)
            #expect(server.counters.connectionsAccepted == 2)
        }
    }

    @Test("a handshake that a reload overtakes serves its request and goes")
    func aHandshakeIsOvertaken() async throws {
        let server = try secureOrigin()
        defer { server.stop() }
        let store = try Store(FixturePaths.pem("ca"))
        let (asked, goOn) = (DialGate(), DialGate())
        var tuning = relaxedTuning
        tuning.tls.roots = .source(store.source)
        tuning.tls.verifier = PeerVerifier { _ async in
            asked.open()
            await goOn.wait()
            return .accept
        }
        try await ApusTests.withEngine(tuning) { engine in
            let url = "https://localhost:\(server.port)/"
            let task = Task { try await fetch(engine, url) }
            await asked.wait()
            try store.put(FixturePaths.pem("untrusted-ca"))
            #expect(try await engine.reloadTLS())
            goOn.open()
            #expect(try await task.value == 200)
            try await eventually("it is gone") { engine.snapshot().connections == 0 }
            #expect(engine.snapshot().counters.closes(.tlsReloaded) == 1)
        }
    }

    @Test("more contexts than are kept make none of the others read its sources again")
    func theContextThatIsTooMany() async throws {
        let server = try secureOrigin()
        let proxy = try secureProxy()
        defer {
            server.stop()
            proxy.stop()
        }
        let store = try Store(FixturePaths.pem("ca"))
        try await withEngine(trusting: store) { engine in
            let url = "https://localhost:\(server.port)/"
            var reads: [Int] = []
            for number in 1...70 {
                // In use all the time, so that it is never the one that goes.
                try await expectStatus(200, engine, url, options: .once)
                var options = ProxyEndpoint.Options()
                options.tls = EngineTuning.TLS()
                options.tls?.roots = .file(FixturePaths.pem("ca"))
                options.tls?.maxSessionsPerRoute = (number - 1) % 64 + 1
                options.tls?.sendsServerName = number <= 64
                let endpoint = try ProxyEndpoint(
                    kind: .https, host: "localhost", port: Int(proxy.port), options: options)
                let client = ExecutorClient(engine, proxy: .proxy(endpoint))
                try await expectStatus(200, client, url, options: .once)
                reads.append(store.reads.list.count)
            }
            #expect(reads.allSatisfy { $0 == 1 }, "\(reads)")
        }
    }

    @Test("connections in the clear know nothing of it")
    func inTheClear() async throws {
        let server = try LoopbackServer()
        let secure = try secureOrigin()
        defer {
            server.stop()
            secure.stop()
        }
        let store = try Store(FixturePaths.pem("ca"))
        try await withEngine(trusting: store) { engine in
            try await expectStatus(200, engine, "https://localhost:\(secure.port)/")
            try await expectStatus(200, engine, "http://127.0.0.1:\(server.port)/")
            try store.put(FixturePaths.pem("untrusted-ca"))
            #expect(try await engine.reloadTLS())
            try await expectStatus(200, engine, "http://127.0.0.1:\(server.port)/")
            #expect(server.counters.connectionsAccepted == 1)
        }
    }
}
