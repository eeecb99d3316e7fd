import ApusCore
import ApusTLS
import Testing

/// What is reported of a completed handshake.
@Suite struct TLSFactsTests {
    @Test(arguments: [EngineTuning.TLS.Version.tls12, .tls13])
    func reportsTheChosenProtocol(version: EngineTuning.TLS.Version) throws {
        let server = try TLSServerContext(choice: .always("h2"), versions: version...version)
        let pair = try makePair(server, alpn: ["h2", "http/1.1"])
        try pair.handshake()
        #expect(pair.client.facts?.alpn == "h2")
    }

    @Test func takesAServerThatChoosesNoProtocol() throws {
        let pair = try makePair(TLSServerContext(choice: .none), alpn: ["h2", "http/1.1"])
        try pair.handshake()
        #expect(pair.client.facts?.alpn == nil)
    }
}
