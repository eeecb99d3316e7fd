import ApusCore
import Synchronization
import Testing

/// When the facts of a peer's certificates are read.
@Suite struct CertificateChainTests {
    private static func facts(_ subject: String) -> CertificateFacts {
        CertificateFacts(
            subject: subject, issuer: "CN=authority", serialNumber: "01", notBefore: "",
            notAfter: "", publicKey: nil)
    }

    @Test func itsFactsAreReadWhenTheyAreAskedForAndOnce() {
        let reads = Atomic<Int>(0)
        let chain = CertificateChain {
            reads.add(1, ordering: .relaxed)
            return [Self.facts("CN=one")]
        }
        let facts = ConnectionFacts.TLSFacts(
            version: "TLSv1.3", cipher: "", alpn: nil, isResumed: false, chain: chain)
        #expect(reads.load(ordering: .relaxed) == 0)
        #expect(facts.certificates == [Self.facts("CN=one")])
        #expect(facts.certificates == chain.facts)
        #expect(reads.load(ordering: .relaxed) == 1)
    }

    @Test func chainsAreEqualByTheirFacts() {
        let one = CertificateChain { [Self.facts("CN=one")] }
        #expect(one == CertificateChain { [Self.facts("CN=one")] })
        #expect(one.hashValue == CertificateChain { [Self.facts("CN=one")] }.hashValue)
        #expect(one != CertificateChain { [Self.facts("CN=two")] })
    }

    @Test func certificatesCanBeSet() {
        var facts = ConnectionFacts.TLSFacts(
            version: "TLSv1.3", cipher: "", alpn: nil, isResumed: false)
        #expect(facts.certificates == [])
        let before = facts
        facts.certificates = [Self.facts("CN=one")]
        #expect(facts.certificates == [Self.facts("CN=one")])
        #expect(before.certificates == [])
    }
}
