import Apus
import Glibc
import Loopback
import Synchronization
import Testing

/// What a program sets and learns of TLS: pins, the verifier, the key log, identities, the chain.
@Suite(.timeLimit(.minutes(5))) struct DialTrustTests {
    @Test("the response has the chain, on a resumed connection too")
    func theChainOnTheResponse() async throws {
        let server = try secureOrigin()
        defer { server.stop() }
        try await withEngine(ports: [server.port]) { engine in
            var seen: [[CertificateFacts]] = []
            var resumed: [Bool] = []
            for _ in 0..<3 {
                let response = try await engine.send(
                    .get("https://localhost:\(server.port)/"), options: .once)
                _ = try await response.body.collect(upTo: 1 << 16)
                let tls = try #require(response.info.connection.tls)
                seen.append(tls.certificates)
                resumed.append(tls.isResumed)
            }
            #expect(
                seen[0].map(\.subject) == [
                    "CN=leaf,O=Apus fixtures", "CN=Apus test CA,O=Apus fixtures",
                ])
            #expect(Set(seen.map { $0.first }).count == 1)
            #expect(resumed.last == true)
        }
    }

    @Test("a pin of a key that is nowhere in the chain refuses before any request byte")
    func aPinThatIsNotThere() async throws {
        let server = try secureOrigin()
        defer { server.stop() }
        var tuning = relaxedTuning
        tuning.tls.pins = [try PublicKeyPin(parsing: String(repeating: "0", count: 64))]
        try await withEngine(tuning, ports: [server.port]) { engine in
            let error = await dialError(engine, "https://localhost:\(server.port)/")
            #expect(error?.kind == .tlsVerify(code: 50))
            #expect(error?.certificateRefusal?.check == .pin)
            #expect(error?.certificateRefusal?.certificate?.subject == "CN=leaf,O=Apus fixtures")
            #expect(server.counters.requests == 0)
            expectEmpty(engine)
        }
    }

    @Test(
        "the verifier is called once per full handshake, and its refusal is reported",
        arguments: [true, false])
    func theVerifier(accepts: Bool) async throws {
        let server = try secureOrigin()
        defer { server.stop() }
        let asked = DialRecorder()
        var tuning = relaxedTuning
        tuning.tls.verifier = PeerVerifier { peer async in
            await Task.yield()
            asked.add("\(peer.name) \(peer.certificates.count) \(peer.encodings.count)")
            return accepts ? .accept : .refuse("not on the list")
        }
        try await withEngine(tuning, ports: [server.port]) { engine in
            let url = "https://localhost:\(server.port)/"
            guard accepts else {
                for _ in 0..<2 {
                    let error = await dialError(engine, url, options: .patient)
                    #expect(error?.kind == .tlsVerify(code: 50))
                    #expect(error?.certificateRefusal?.check == .verifier)
                    #expect(error?.message.contains("not on the list") == true)
                }
                #expect(asked.list == ["localhost 2 2", "localhost 2 2"])
                #expect(server.counters.requests == 0)
                return
            }
            for _ in 0..<4 { try await expectStatus(200, engine, url, options: .once) }
            #expect(asked.list.count == 4 - server.counters.tlsResumed)
            #expect(server.counters.tlsResumed > 0)
        }
    }

    @Test("a verifier that takes too long costs the TLS budget; its task is cancelled")
    func aSlowVerifier() async throws {
        let server = try secureOrigin()
        defer { server.stop() }
        let (gate, begun, ended) = (DialGate(), DialGate(), DialGate())
        var tuning = relaxedTuning
        tuning.dial.tlsTimeout = .milliseconds(200)
        tuning.tls.verifier = PeerVerifier { _ async in
            begun.open()
            await gate.wait()
            if Task.isCancelled { ended.open() }
            return .accept
        }
        try await withEngine(tuning, ports: [server.port]) { engine in
            let error = await dialError(engine, "https://localhost:\(server.port)/")
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .tls)
            // A busy machine may spend the budget before the verifier is called.
            if begun.isOpen { await ended.wait() }
            expectEmpty(engine)
            #expect(server.counters.requests == 0)
        }
    }

    @Test("the key log's file gets lines, and is its owner's alone")
    func theKeyLogsFile() async throws {
        let server = try secureOrigin()
        defer { server.stop() }
        let path = "/tmp/apus-test-keys-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { unlink(path) }
        var tuning = relaxedTuning
        tuning.tls.keyLog = try TLSKeyLog(appendingTo: path)
        try await withEngine(tuning, ports: [server.port]) { engine in
            try await fetch(engine, "https://localhost:\(server.port)/")
        }
        let file = try #require(fopen(path, "r"))
        defer { fclose(file) }
        var facts = stat()
        stat(path, &facts)
        #expect(facts.st_mode & 0o777 == 0o600)
        var line = [CChar](repeating: 0, count: 1024)
        var count = 0
        while fgets(&line, 1024, file) != nil { count += 1 }
        #expect(count >= 4)
        #expect(throws: TransportError.self) { try TLSKeyLog(appendingTo: "/nowhere/keys") }
    }

    @Test("a proxy is not shown the origin's client certificate, unless it is to be")
    func theIdentityIsForTheOrigin() async throws {
        let client = FixturePaths.certificate("client")
        let server = try secureOrigin { $0.clientCA = FixturePaths.pem("ca") }
        let proxy = try secureProxy()
        defer {
            server.stop()
            proxy.stop()
        }
        var tuning = relaxedTuning
        tuning.tls.identity = .init(certificateFile: client.chain, keyFile: client.key)
        try await withEngine(tuning, ports: [proxy.port]) { engine in
            let setting = try ProxySetting(parsing: "https://localhost:\(proxy.port)")
            let through = ExecutorClient(engine, proxy: setting)
            try await expectStatus(200, through, "https://localhost:\(server.port)/")
        }
    }

    @Test("an https proxy may be trusted by roots of its own")
    func theProxysOwnTrust() async throws {
        let server = try secureOrigin()
        let proxy = try secureProxy("untrusted")
        defer {
            server.stop()
            proxy.stop()
        }
        let url = "https://localhost:\(server.port)/"
        var options = ProxyEndpoint.Options()
        for isOwn in [false, true] {
            if isOwn {
                var own = EngineTuning.TLS()
                own.roots = .file(FixturePaths.pem("untrusted-ca"))
                options.tls = own
            }
            let endpoint = try ProxyEndpoint(
                kind: .https, host: "localhost", port: Int(proxy.port), options: options)
            try await withEngine(ports: [proxy.port]) { engine in
                let client = ExecutorClient(engine, proxy: .proxy(endpoint))
                guard !isOwn else { return try await expectStatus(200, client, url) }
                let error = await dialError(client, url)
                #expect(error?.hop == .proxy)
                #expect(error?.certificateRefusal?.check == .trust)
            }
        }
    }

    @Test("the tickets of an https proxy are never used for an origin, nor the reverse")
    func ticketsStayAtTheirHop() async throws {
        // The same certificate at both hops: they differ only in the hop.
        let server = try secureOrigin()
        let proxy = try secureProxy()
        defer {
            server.stop()
            proxy.stop()
        }
        try await withEngine(ports: [proxy.port]) { engine in
            let setting = try ProxySetting(parsing: "https://localhost:\(proxy.port)")
            let through = ExecutorClient(engine, proxy: setting)
            let url = "https://localhost:\(server.port)/"
            for _ in 0..<4 { try await expectStatus(200, through, url, options: .once) }
            #expect(server.counters.tlsResumed == 3)
            // Straight to the same origin is another route, which begins afresh.
            try await expectStatus(200, engine, url, options: .once)
            #expect(server.counters.tlsResumed == 3)
        }
    }
}
