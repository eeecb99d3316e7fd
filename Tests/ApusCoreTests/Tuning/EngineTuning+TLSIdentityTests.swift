import ApusCore
import Testing

/// An identity says where it is and shows no secret.
@Suite struct EngineTuningTLSIdentityTests {
    @Test func anIdentityShowsNeitherKeyNorPassword() {
        let identities: [EngineTuning.TLS.Identity] = [
            .init(certificateFile: "cert", keyFile: "hidden", password: "hidden"),
            .init(certificate: Bytes("cert"), key: Bytes("hidden"), password: "hidden"),
            .init(pkcs12: Bytes("hidden"), password: "hidden"),
            .init(pkcs12File: "cert", password: "hidden"),
            .init(TLSSource { Bytes("hidden") }, password: "hidden"),
        ]
        for identity in identities {
            var tuning = EngineTuning()
            tuning.tls.identity = identity
            var dumped = ""
            dump(tuning, to: &dumped)
            for text in ["\(tuning)", String(reflecting: tuning), dumped] {
                #expect(!text.contains("hidden"))
            }
        }
    }

    @Test func anIdentityInAFileNamesItsFile() {
        let file = EngineTuning.TLS.Identity(certificateFile: "a.pem", keyFile: "b.pem")
        #expect("\(file)" == "identity in a.pem")
        #expect("\(EngineTuning.TLS.Identity(pkcs12File: "a.p12"))" == "identity in a.p12")
        #expect("\(EngineTuning.TLS.Identity(pkcs12: Bytes("a")))" == "identity")
    }
}
