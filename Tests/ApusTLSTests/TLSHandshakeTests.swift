import ApusCore
import ApusTLS
import CApusOpenSSL
import Loopback
import Testing

/// What a handshake agrees on, and how it fails.
@Suite("section 2.2: handshakes") struct TLSHandshakeTests {
    @Test(arguments: [EngineTuning.TLS.Version.tls12, .tls13], [1, 7, Int.max])
    func completesInSlicesOfAnySize(version: EngineTuning.TLS.Version, slice: Int) throws {
        let pair = try makePair(TLSServerContext(versions: version...version))
        #expect(pair.client.facts == nil)
        try pair.handshake(slice: slice)
        let facts = try #require(pair.client.facts)
        #expect(facts.version == (version == .tls12 ? "TLSv1.2" : "TLSv1.3"))
        #expect(!facts.cipher.isEmpty)
        #expect(!facts.isResumed)
        #expect(facts.peerSubject == "CN=leaf,O=Apus fixtures")
    }

    @Test func refusesAServerBelowTheMinimumVersion() throws {
        let pair = try makePair(
            TLSServerContext(versions: .tls12 ... .tls12),
            settings: trusting(versions: .tls13 ... .tls13))
        expectFailure(.handshake) { try pair.handshake() }
    }

    @Test func speaksTheMaximumVersionAtMost() throws {
        let pair = try makePair(
            TLSServerContext(), settings: trusting(versions: .tls12 ... .tls12))
        try pair.handshake()
        #expect(pair.client.facts?.version == "TLSv1.2")
    }

    // MARK: ALPN

    @Test func offersNothingWhenTheListIsEmpty() throws {
        // A server that would choose is not asked.
        let pair = try makePair(TLSServerContext(choice: .always("h2")), alpn: [])
        try pair.handshake()
        #expect(pair.client.facts?.alpn == nil)
    }

    @Test func refusesAProtocolThatWasNotOffered() throws {
        let pair = try makePair(TLSServerContext(choice: .always("h2")), alpn: ["http/1.1"])
        expectFailure(.handshake) { try pair.handshake() }
        #expect(pair.client.nextSession() == nil)
    }

    // MARK: Names

    @Test(arguments: [
        ("localhost", "localhost"), ("example.test.", "example.test"),
        ("a.example.test", "a.example.test"),
    ])
    func sendsTheNameWithoutATrailingDot(name: String, sent: String) throws {
        let pair = try makePair(TLSServerContext(), serverName: name)
        try pair.handshake()
        #expect(pair.serverName == sent)
    }

    @Test(arguments: ["127.0.0.1", "::1"])
    func sendsNoNameForAnAddress(address: String) throws {
        let pair = try makePair(TLSServerContext(), serverName: address)
        try pair.handshake()
        #expect(pair.serverName == nil)
    }

    /// OpenSSL takes an empty name for any name, and a leading dot for any name below.
    @Test(arguments: [
        "", ".", ".example.test", "a b", "a\u{0}b", "b\u{fc}cher.test", "a\r\nb",
        String(repeating: "a", count: 256),
    ])
    func refusesAnUnusableName(name: String) throws {
        let context = try TLSContext(EngineTuning.TLS(), alpn: [])
        expectFailure(.configuration) {
            _ = try TLSEngine(context, serverName: name, session: nil)
        }
    }

    // MARK: Client certificates

    @Test(arguments: [EngineTuning.TLS.Version.tls12, .tls13])
    func presentsItsIdentity(version: EngineTuning.TLS.Version) throws {
        var settings = trusting()
        let files = FixturePaths.certificate("client")
        settings.identity = .init(certificateFile: files.chain, keyFile: files.key)
        let server = try TLSServerContext(
            versions: version...version, requiresClientCertificate: true)
        let pair = try makePair(server, settings: settings)
        try pair.handshake()
        #expect(SSL_is_init_finished(pair.server) == 1)
        #expect(SSL_get0_peer_certificate(pair.server) != nil)
    }

    @Test func failsInTheHandshakeWithoutTheIdentityAskedForInTLS12() throws {
        let server = try TLSServerContext(
            versions: .tls12 ... .tls12, requiresClientCertificate: true)
        let pair = try makePair(server)
        expectFailure(.handshake) { try pair.handshake() }
    }

    /// In TLS 1.3 the client is done before the server has seen its certificate.
    @Test func failsByAnAlertWithoutTheIdentityAskedForInTLS13() throws {
        let server = try TLSServerContext(requiresClientCertificate: true)
        let pair = try makePair(server)
        try pair.handshake()
        expectFailure(.alert) { try pair.deliver() }
    }

    // MARK: Garbage

    @Test(arguments: [
        "HTTP/1.1 400 Bad Request\r\n\r\n", "\u{16}\u{3}\u{3}\u{0}\u{4}abcdefgh",
        // A fatal alert, and close_notify.
        "\u{15}\u{3}\u{3}\u{0}\u{2}\u{2}\u{28}", "\u{15}\u{3}\u{3}\u{0}\u{2}\u{1}\u{0}",
    ])
    func failsOnBytesThatAreNotAHandshake(text: String) throws {
        let pair = try makePair(TLSServerContext())
        var output: [UInt8] = []
        _ = try pair.client.handshake([UInt8]().span.bytes, output: &output)
        let bytes = Array(text.utf8)
        expectFailure(.handshake) {
            _ = try pair.client.handshake(bytes.span.bytes, output: &output)
        }
        // And so does every later call.
        expectFailure(.handshake) {
            _ = try pair.client.handshake(bytes.span.bytes, output: &output)
        }
        #expect(pair.client.facts == nil)
    }

    @Test func saysAnAlertWhenItFails() throws {
        let pair = try makePair(TLSServerContext(certificate: "wrong-host"))
        #expect(throws: TLSError.self) { try pair.handshake() }
        #expect(pair.fromClient.first == 21)
        var farewell: [UInt8] = []
        pair.client.close(output: &farewell)
        #expect(farewell.isEmpty)
    }
}
