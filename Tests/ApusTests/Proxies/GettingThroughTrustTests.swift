import Apus
import Loopback
import Testing

/// The code of the guide "Getting through" about certificates and names, word for word, run
/// against a loopback origin.
@Suite(.timeLimit(.minutes(5))) struct GettingThroughTrustTests {
    private func isWelcome(_ certificates: [CertificateFacts]) async -> Bool {
        certificates.first?.subject.contains("CN=leaf") == true
    }

    private func withEngine(
        _ engine: TransportEngine, _ body: () async throws -> Void
    ) async throws {
        do {
            try await body()
        } catch {
            await engine.shutdown()
            throw error
        }
        await engine.shutdown()
    }

    @Test func trust() async throws {
        try FixturePaths.ensureCertificates()
        var options = LoopbackServer.Options(tls: FixturePaths.certificate("leaf"))
        options.clientCA = FixturePaths.pem("ca")
        let server = try LoopbackServer(options)
        defer { server.stop() }
        let authority = FixturePaths.pem("ca")
        let store = FixturePaths.certificate("client.p12").key
        let request = try HTTPRequest.get("https://localhost:\(server.port)/")
        let pin = try await keyOfTheServer(request)
        var tuning = EngineTuning.executor
        tuning.tls.roots = .file(authority)  // PEM or DER; also .pem, .bytes, .source and .system
        // Or PEM in files or bytes, or a source.
        tuning.tls.identity = .init(pkcs12File: store, password: "secret")
        tuning.tls.pins = [try PublicKeyPin(parsing: pin)]  // "sha256/BASE64", as curl writes it
        tuning.tls.verifier = PeerVerifier { peer async in
            // Asked inside the handshake, before a client certificate or a request leaves.
            await isWelcome(peer.certificates) ? .accept : .refuse("not on the list")
        }
        tuning.relaxBudgets()
        let engine = try TransportEngine(tuning)
        try await withEngine(engine) {
            let client = ExecutorClient(engine)
            try await expectStatus(200, client, "https://localhost:\(server.port)/")
            await report(client, request)
            let renewed = try await engine.reloadTLS()
            #expect(!renewed)
        }
    }

    /// What the guide does with a response and with a refusal.
    private func report(_ client: ExecutorClient, _ request: HTTPRequest) async {
        do throws(TransportError) {
            let response = try await client.send(request)
            for certificate in response.info.connection.tls?.certificates ?? [] {
                print(certificate.subject, certificate.notAfter, certificate.issuer)
            }
        } catch {
            if let refusal = error.certificateRefusal {
                print(refusal.check.rawValue, "at depth", refusal.depth, "for", refusal.name)
            }
        }
    }

    private func keyOfTheServer(_ request: HTTPRequest) async throws -> String {
        let client = FixturePaths.certificate("client")
        var tuning = relaxedTuning
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        tuning.tls.identity = .init(certificateFile: client.chain, keyFile: client.key)
        let engine = try TransportEngine(tuning)
        var pin: PublicKeyPin?
        try await withEngine(engine) {
            let response = try await engine.send(request)
            pin = response.info.connection.tls?.certificates.first?.publicKey
        }
        return try #require(pin).description
    }

    struct Directory: NameResolver {
        func addresses(of host: String) async throws(NameError) -> [String] {
            guard host == "service.internal" else { throw .notFound("not in the directory") }
            return ["10.0.0.7", "fd00::7"]
        }
    }

    private func mark(_ descriptor: Int32, for address: String) throws {
        #expect(descriptor > 2 && address.hasPrefix("127.0.0.1:"))
    }

    @Test func names() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let port = server.port
        var tuning = relaxedTuning
        tuning.dial.localAddress = "127.0.0.1"
        tuning.dial.localInterface = "lo"
        tuning.dial.beforeConnect = SocketHook { descriptor, address in
            // For options that the engine does not know; what it throws fails this attempt.
            try mark(descriptor, for: address)
        }
        let elsewhere = ConnectTarget.address("127.0.0.1", port: port)
        tuning.dial.overrides = [.init(host: "example.test", port: 80, to: [elsewhere])]
        let local = try TransportEngine(tuning, resolver: Directory())
        try await withEngine(local) {
            try await expectStatus(200, local, "http://example.test/")
            let error = await dialError(local, "http://other.internal/")
            #expect(error?.message == "other.internal: not in the directory")
        }
    }
}
