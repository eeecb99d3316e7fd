import ApusCore
import ApusTLS
import Loopback
import Testing

/// Facts about the certificates of a peer's chain.
@Suite struct PeerChainTests {
    @Test func theFactsTellTheWholeVerifiedChain() throws {
        let pair = try makePair(TLSServerContext())
        try pair.handshake()
        let chain = try #require(pair.client.facts?.certificates)
        #expect(chain.count == 2)
        #expect(chain[0].issuer == "CN=Apus test CA,O=Apus fixtures")
        #expect(chain[1].subject == chain[0].issuer && chain[1].issuer == chain[0].issuer)
        #expect(try chain[0].publicKey == pin("leaf") && chain[1].publicKey == pin("ca"))
        let digits = Set("0123456789abcdef")
        for facts in chain {
            #expect(!facts.serialNumber.isEmpty && digits.isSuperset(of: facts.serialNumber))
            #expect(facts.notBefore < facts.notAfter && facts.notBefore.hasPrefix("20"))
            #expect(facts.notAfter.hasSuffix("Z") && facts.notAfter.count == 20)
        }
        #expect(chain[0].serialNumber != chain[1].serialNumber)
    }

    /// A certificate that the server sends and that leads nowhere is not in the chain.
    @Test func theVerifiedChainIsNotWhatWasSent() throws {
        var settings = trusting()
        settings.roots = .pem(contents(of: FixturePaths.pem("leaf")))
        settings.allowsPartialChain = true
        let pair = try makePair(TLSServerContext(), settings: settings)
        try pair.handshake()
        #expect(pair.client.facts?.certificates.map(\.subject).first == "CN=leaf,O=Apus fixtures")
    }

    /// The session keeps what the handshake that made it has verified.
    @Test(arguments: [EngineTuning.TLS.Version.tls12, .tls13])
    func aResumedConnectionHasTheChainOfTheFirstHandshake(
        version: EngineTuning.TLS.Version
    ) throws {
        let server = try TLSServerContext(versions: version...version)
        var pair = try makePair(server)
        try pair.handshake()
        try pair.deliver()
        let verified = try #require(pair.client.facts?.certificates)
        #expect(verified.count == 2)
        for _ in 0..<2 {
            let session = try #require(pair.client.nextSession())
            pair = try makePair(server, session: session)
            try pair.handshake()
            try pair.deliver()
            #expect(pair.client.facts?.isResumed == true)
            #expect(pair.client.facts?.certificates == verified)
            // TLS 1.2 goes on with the session that it has resumed.
            if version == .tls12 { break }
        }
    }
}
