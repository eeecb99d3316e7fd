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
}
