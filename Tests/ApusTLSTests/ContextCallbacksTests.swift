import ApusCore
import ApusTLS
import CApusOpenSSL
import Loopback
import Synchronization
import Testing

/// Pins and the verifier.
@Suite struct ContextCallbacksTests {
    typealias Version = EngineTuning.TLS.Version

    // MARK: Pins

    @Test(arguments: ["leaf", "ca"], [Version.tls12, .tls13])
    func aPinnedKeyAnywhereInTheChainIsEnough(_ name: String, _ version: Version) throws {
        var settings = trusting()
        settings.pins = [try pin(name), try pin("untrusted-ca")]
        let server = try TLSServerContext(versions: version...version)
        try makePair(server, settings: settings).handshake()
    }

    @Test(arguments: [Version.tls12, .tls13])
    func aChainWithoutAPinnedKeyIsRefused(_ version: Version) throws {
        var settings = trusting()
        settings.pins = [try pin("untrusted-ca")]
        let server = try TLSServerContext(versions: version...version)
        let pair = try makePair(server, settings: settings)
        let error = #expect(throws: TLSError.self) { try pair.handshake() }
        #expect(error?.kind == .verify(code: 50, depth: 0))
        #expect(error?.refusal?.check == .pin)
        #expect(error?.refusal?.certificate?.subject == "CN=leaf,O=Apus fixtures")
        #expect(pair.client.facts == nil)
        #expect(pair.client.nextSession() == nil)
    }

    /// An attacker can append another's certificate to an unverified chain.
    @Test func withoutVerificationTheServersOwnKeyAloneCounts() throws {
        var settings = trusting()
        settings.insecureSkipVerify = true
        settings.pins = [try pin("untrusted-ca")]
        let server = try TLSServerContext(certificate: "untrusted")
        let pair = try makePair(server, settings: settings)
        expectFailure(.verify(code: 50, depth: 0)) { try pair.handshake() }
        settings.pins = [try pin("untrusted")]
        try makePair(server, settings: settings).handshake()
    }

    @Test func aPinDoesNotExcuseABadCertificate() throws {
        var settings = trusting()
        settings.pins = [try pin("expired")]
        let pair = try makePair(TLSServerContext(certificate: "expired"), settings: settings)
        expectFailure(.verify(code: 10, depth: 0)) { try pair.handshake() }
    }

    // MARK: The verifier

    /// Settings whose verifier is never called: the engine's caller is to ask it.
    private func asking() -> EngineTuning.TLS {
        var settings = trusting()
        settings.verifier = PeerVerifier { _, _ in {} }
        return settings
    }

    /// Runs the handshake until the verdict is awaited.
    private func runToTheVerdict(_ pair: TLSServerPair, slice: Int) throws -> PeerVerifier.Peer {
        _ = try pair.client.handshake([UInt8]().span.bytes, output: &pair.fromClient)
        for _ in 0..<10 {
            pair.serve()
            while !pair.toClient.isEmpty {
                let bytes = Array(pair.toClient.prefix(slice))
                pair.toClient.removeFirst(bytes.count)
                _ = try pair.client.handshake(bytes.span.bytes, output: &pair.fromClient)
            }
            if let peer = pair.client.peerToJudge { return peer }
        }
        throw ServerFailure()
    }

    @Test(arguments: [Version.tls12, .tls13], [1, 100, .max])
    func theHandshakeWaitsForTheVerdict(_ version: Version, slice: Int) throws {
        let server = try TLSServerContext(versions: version...version)
        let pair = try makePair(server, settings: asking())
        let peer = try runToTheVerdict(pair, slice: slice)
        #expect(peer.name == "localhost")
        #expect(
            peer.certificates.map(\.subject) == [
                "CN=leaf,O=Apus fixtures", "CN=Apus test CA,O=Apus fixtures",
            ])
        #expect(peer.encodings.first == (try der(of: FixturePaths.pem("leaf"))))
        #expect(pair.client.facts == nil)
        // Nothing of ours goes out before the verdict.
        #expect(pair.fromClient.isEmpty)
        pair.client.verdictGiven(.accept)
        try pair.handshake(slice: slice)
        #expect(pair.client.facts?.certificates == peer.certificates)
        try pair.clientSends([1, 2, 3])
        #expect(pair.serve() == [1, 2, 3])
        try pair.serverSends([4, 5])
        try pair.deliver()
        #expect(pair.received == [4, 5])
        #expect(pair.client.nextSession() != nil)
    }

    @Test(arguments: [Version.tls12, .tls13])
    func aRefusalEndsTheHandshakeAndIsReported(_ version: Version) throws {
        let server = try TLSServerContext(versions: version...version)
        let pair = try makePair(server, settings: asking())
        _ = try runToTheVerdict(pair, slice: .max)
        pair.client.verdictGiven(.refuse("not on the list"))
        let error = #expect(throws: TLSError.self) { try pair.handshake() }
        #expect(error?.kind == .verify(code: 50, depth: 0))
        #expect(error?.refusal?.check == .verifier)
        #expect(error?.message.contains("not on the list") == true)
        #expect(pair.client.facts == nil)
        #expect(pair.client.nextSession() == nil)
        // The peer receives an alert.
        #expect(!pair.fromClient.isEmpty)
    }

    @Test func itIsNotAskedAboutWhatOpenSSLRefused() throws {
        let pair = try makePair(TLSServerContext(certificate: "expired"), settings: asking())
        expectFailure(.verify(code: 10, depth: 0)) { try pair.handshake() }
        #expect(pair.client.peerToJudge == nil)
    }

    @Test func itIsAskedAlthoughVerificationIsSkipped() throws {
        var settings = asking()
        settings.insecureSkipVerify = true
        let pair = try makePair(TLSServerContext(certificate: "expired"), settings: settings)
        #expect(try runToTheVerdict(pair, slice: 7).certificates.count == 2)
        pair.client.verdictGiven(.refuse("no"))
        expectFailure(.verify(code: 50, depth: 0)) { try pair.handshake() }
    }

    /// Its verdict on the first handshake counts for those that resume it.
    @Test(arguments: [Version.tls12, .tls13])
    func itIsNotAskedAgainWhenASessionIsResumed(_ version: Version) throws {
        let server = try TLSServerContext(versions: version...version)
        let context = try TLSContext(asking(), alpn: [])
        let first = try TLSServerPair(
            TLSEngine(context, serverName: "localhost", session: nil), server)
        _ = try runToTheVerdict(first, slice: .max)
        first.client.verdictGiven(.accept)
        try first.handshake()
        try first.deliver()
        let session = try #require(first.client.nextSession())
        let second = try TLSServerPair(
            TLSEngine(context, serverName: "localhost", session: session), server)
        try second.handshake()
        #expect(second.client.facts?.isResumed == true)
        #expect(second.client.facts?.certificates.first?.subject == "CN=leaf,O=Apus fixtures")
    }
}
