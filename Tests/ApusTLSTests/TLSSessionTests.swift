import ApusCore
import ApusTLS
import CApusOpenSSL
import Loopback
import Synchronization
import Testing

/// Which sessions are given out, and which are resumed.
@Suite("section 2.2: sessions") struct TLSSessionTests {
    /// A session that `server` gave a fresh client.
    private func session(
        from server: TLSServerContext, settings: EngineTuning.TLS = trusting(),
        alpn: [String] = [], serverName: String = "localhost"
    ) throws -> TLSSession? {
        let pair = try makePair(server, settings: settings, alpn: alpn, serverName: serverName)
        try pair.handshake()
        try pair.deliver()
        return pair.client.nextSession()
    }

    @Test(arguments: [EngineTuning.TLS.Version.tls12, .tls13])
    func isResumed(version: EngineTuning.TLS.Version) throws {
        let server = try TLSServerContext(versions: version...version)
        let session = try #require(try session(from: server))
        #expect(session.isSingleUse == (version == .tls13))
        let pair = try makePair(server, session: session)
        try pair.handshake(slice: 3)
        #expect(pair.client.facts?.isResumed == true)
        #expect(pair.client.facts?.peerSubject == "CN=leaf,O=Apus fixtures")
        try pair.clientSends([1, 2, 3])
        #expect(pair.serve() == [1, 2, 3])
    }

    @Test(arguments: [EngineTuning.TLS.Version.tls12, .tls13])
    func isResumedAgainUnlessForSingleUse(version: EngineTuning.TLS.Version) throws {
        let server = try TLSServerContext(versions: version...version)
        let session = try #require(try session(from: server))
        try makePair(server, session: session).handshake()
        let pair = try makePair(server, session: session)
        try pair.handshake()
        #expect(pair.client.facts?.isResumed == !session.isSingleUse)
    }

    @Test func isUsedForOneNameOnly() throws {
        let server = try TLSServerContext()
        let session = try #require(try session(from: server))
        let pair = try makePair(server, serverName: "example.test", session: session)
        try pair.handshake()
        #expect(pair.client.facts?.isResumed == false)
    }

    /// A resumed handshake shows no certificate, so an unverified one must not slip in by it.
    @Test func isUsedUnderTheSameSettingsOnly() throws {
        var careless = trusting()
        careless.insecureSkipVerify = true
        let server = try TLSServerContext(certificate: "wrong-host")
        let session = try #require(try session(from: server, settings: careless))
        let pair = try makePair(server, session: session)
        expectFailure(.verify(code: 62, depth: 0)) { try pair.handshake() }
    }

    /// One change of the settings each; none of them may resume what the others began.
    static let changes: [@Sendable (inout EngineTuning.TLS) -> Void] = [
        { $0.roots = .pem(contents(of: FixturePaths.pem("ca")) + "\n") },
        { $0.roots = .bytes(bytes(of: FixturePaths.pem("ca"))) },
        {
            let files = FixturePaths.certificate("client")
            $0.identity = .init(certificateFile: files.chain, keyFile: files.key)
        },
        {
            let files = FixturePaths.certificate("other-client")
            $0.identity = .init(certificateFile: files.chain, keyFile: files.key)
        },
        { $0.serverName = "localhost" },
        { $0.verifiedName = "127.0.0.1" },
        { $0.sendsServerName = false },
        { $0.insecureSkipVerify = true },
        { $0.allowsPartialChain = true },
        { $0.pins = Set((1...1).compactMap { _ in anyPin }) },
        { $0.verifier = neverAnswers },
        { $0.minimumVersion = .tls13 },
        { $0.tls13CipherSuites = ["TLS_AES_256_GCM_SHA384"] },
        { $0.groups = ["X25519", "P-256"] },
        { $0.keyLog = TLSKeyLog { _ in } },
        { $0.maxSessionsPerRoute = 3 },
    ]

    @Test(arguments: changes.indices, [true, false])
    func isNotUsedAcrossADifferenceInTheSettings(index: Int, isForwards: Bool) throws {
        let server = try TLSServerContext()
        var changed = trusting()
        Self.changes[index](&changed)
        // These must not resume: the pin and the verifier would refuse a full handshake.
        let settings = isForwards ? [trusting(), changed] : [changed, trusting()]
        let refuses = !changed.pins.isEmpty || changed.verifier != nil
        guard !refuses || isForwards else { return }
        let session = try #require(try session(from: server, settings: settings[0]))
        let pair = try makePair(server, settings: settings[1], session: session)
        guard !refuses else {
            #expect(throws: (any Error).self) { try pair.handshake() }
            return
        }
        try pair.handshake()
        #expect(pair.client.facts?.isResumed == false)
    }

    /// The same source, which gives other bytes when it is asked again.
    @Test func isNotUsedOnceTheSameSettingsStandForOtherBytes() throws {
        try FixturePaths.ensureCertificates()
        let reads = Mutex(0)
        var settings = EngineTuning.TLS()
        settings.roots = .source(
            TLSSource {
                let count = reads.withLock { reads in
                    reads += 1
                    return reads
                }
                let ca = contents(of: FixturePaths.pem("ca"))
                return Bytes(count == 1 ? ca : ca + contents(of: FixturePaths.pem("untrusted-ca")))
            })
        let server = try TLSServerContext()
        let before = try TLSContext(settings, alpn: [])
        let first = try TLSServerPair(
            TLSEngine(before, serverName: "localhost", session: nil), server)
        try first.handshake()
        try first.deliver()
        let sessions = [first.client.nextSession(), first.client.nextSession()]
        for (context, isResumed) in [(try TLSContext(settings, alpn: []), false), (before, true)] {
            let session = try #require(sessions[isResumed ? 1 : 0])
            let pair = try TLSServerPair(
                TLSEngine(context, serverName: "localhost", session: session), server)
            try pair.handshake()
            #expect(pair.client.facts?.isResumed == isResumed)
        }
    }

    @Test func earlyDataIsNeverSent() throws {
        let server = try TLSServerContext()
        SSL_CTX_set_max_early_data(server.pointer, 16_384)
        let session = try #require(try session(from: server))
        let pair = try makePair(server, session: session)
        try pair.handshake()
        #expect(pair.client.facts?.isResumed == true)
        #expect(SSL_get_early_data_status(pair.server) == SSL_EARLY_DATA_NOT_SENT)
    }

    @Test func isUsedForTheSameOfferOnly() throws {
        let server = try TLSServerContext(choice: .always("h2"))
        let session = try #require(try session(from: server, alpn: ["h2", "http/1.1"]))
        let other = try makePair(server, alpn: ["h2"], session: session)
        try other.handshake()
        #expect(other.client.facts?.isResumed == false)
        let same = try makePair(server, alpn: ["h2", "http/1.1"], session: session)
        try same.handshake()
        #expect(same.client.facts?.isResumed == true)
        #expect(same.client.facts?.alpn == "h2")
    }

    @Test(arguments: [EngineTuning.TLS.Version.tls12, .tls13])
    func isNotGivenWithoutResumption(version: EngineTuning.TLS.Version) throws {
        var settings = trusting()
        settings.resumption = false
        let server = try TLSServerContext(versions: version...version)
        #expect(try session(from: server, settings: settings) == nil)
    }

    /// Most servers end without close_notify; that says nothing against the session.
    @Test(arguments: [EngineTuning.TLS.Version.tls12, .tls13])
    func outlivesATruncatedConnection(version: EngineTuning.TLS.Version) throws {
        let server = try TLSServerContext(versions: version...version)
        var sessions: [TLSSession] = []
        do {
            let pair = try makePair(server)
            try pair.handshake()
            try pair.deliver()
            while let session = pair.client.nextSession() { sessions.append(session) }
            expectFailure(.unexpectedEnd) { try pair.client.streamEnded() }
        }
        #expect(!sessions.isEmpty)
        for session in sessions {
            let pair = try makePair(server, session: session)
            try pair.handshake()
            #expect(pair.client.facts?.isResumed == true)
        }
    }

    @Test(arguments: [EngineTuning.TLS.Version.tls12, .tls13])
    func isSpoiledByAFailure(version: EngineTuning.TLS.Version) throws {
        let server = try TLSServerContext(versions: version...version)
        var last: TLSSession?
        do {
            let pair = try makePair(server)
            try pair.handshake()
            try pair.deliver()
            while let session = pair.client.nextSession() { last = session }
            expectFailure(.alert) { _ = try pair.receive(Array("no TLS record".utf8)) }
        }
        #expect(last != nil)
        let pair = try makePair(server, session: last)
        try pair.handshake()
        #expect(pair.client.facts?.isResumed == false)
    }

    @Test func costsAFullHandshakeWhenTheServerForgotIt() throws {
        let session = try #require(try session(from: TLSServerContext()))
        let pair = try makePair(TLSServerContext(), session: session)
        try pair.handshake()
        #expect(pair.client.facts?.isResumed == false)
    }

    /// Each ticket of TLS 1.3 is a session of its own, oldest first.
    @Test func comesOncePerTicket() throws {
        let pair = try makePair(TLSServerContext())
        try pair.handshake()
        #expect(pair.client.nextSession() == nil)
        try pair.deliver()
        let first = try #require(pair.client.nextSession())
        let second = try #require(pair.client.nextSession())
        #expect(first !== second)
        #expect(pair.client.nextSession() == nil)
    }

    @Test func isKeptFourTimesAtMost() throws {
        let pair = try makePair(TLSServerContext())
        try pair.handshake()
        try pair.serverSendsTickets(8)
        try pair.deliver()
        var count = 0
        while pair.client.nextSession() != nil { count += 1 }
        #expect(count == 4)
    }
}

/// A pin of no key, and a verifier that never answers.
private let anyPin = PublicKeyPin(digest: [UInt8](repeating: 1, count: 32))
private let neverAnswers = PeerVerifier { _, _ in {} }
