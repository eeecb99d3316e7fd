import ApusCore
import ApusTLS
import Testing

/// What a TLS error says.
@Suite struct TLSErrorTests {
    @Test func aRefusalNamesItsCertificate() throws {
        let pair = try makePair(TLSServerContext(certificate: "untrusted"))
        let error = #expect(throws: TLSError.self) { try pair.handshake() }
        let refusal = error?.refusal
        #expect(refusal?.check == .trust && refusal?.code == 19 && refusal?.depth == 1)
        #expect(refusal?.name == "localhost")
        #expect(refusal?.certificate?.subject == "CN=Apus untrusted CA,O=Apus fixtures")
        let message = try #require(error?.message)
        for part in ["localhost", "certificate 1 of the chain", "Apus untrusted CA", "serial"] {
            #expect(message.contains(part), "\(message)")
        }
    }
}
