import ApusCore
import ApusTLS
import CApusOpenSSL
import Loopback
import Testing

/// FAULTS 2.2, what is left of it: what a server may not ask for later, and errors of others.
@Suite("section 2.2: after the handshake") struct TLSPostHandshakeTests {
    @Test("row 53: a client certificate asked for after the handshake is refused")
    func postHandshakeAuthentication() throws {
        var settings = trusting()
        let files = FixturePaths.certificate("client")
        settings.identity = .init(certificateFile: files.chain, keyFile: files.key)
        let pair = try makePair(TLSServerContext(), settings: settings)
        try pair.handshake()
        SSL_set_verify(pair.server, SSL_VERIFY_PEER, nil)
        // The client never said that it would take part (RFC 8446, section 4.2.6).
        ERR_clear_error()
        #expect(SSL_verify_client_post_handshake(pair.server) == 0)
        ERR_clear_error()
        try pair.clientSends([1])
        #expect(pair.serve() == [1])
    }

    /// The queue of errors belongs to the thread: other code may have left errors in it.
    @Test(arguments: [EngineTuning.TLS.Version.tls12, .tls13])
    func anErrorThatAnotherLeftIsNotOurs(_ version: EngineTuning.TLS.Version) throws {
        func litter() {
            #expect(BIO_new_file("/nowhere", "r") == nil)
            #expect(ERR_peek_error() != 0)
        }
        let pair = try makePair(TLSServerContext(versions: version...version))
        litter()
        _ = try pair.client.handshake([UInt8]().span.bytes, output: &pair.fromClient)
        pair.serve()
        litter()
        try pair.handshake()
        litter()
        try pair.clientSends([1, 2])
        #expect(pair.serve() == [1, 2])
        try pair.serverSends([3])
        litter()
        try pair.deliver()
        #expect(pair.received == [3])
        litter()
        expectFailure(.unexpectedEnd) { try pair.client.streamEnded() }
        litter()
        var output: [UInt8] = []
        pair.client.close(output: &output)
        #expect(output.isEmpty)
        ERR_clear_error()
    }

    @Test func theVerdictOfAFailureIsNotAnothersError() throws {
        let pair = try makePair(TLSServerContext(certificate: "expired"))
        #expect(BIO_new_file("/nowhere", "r") == nil)
        let error = #expect(throws: TLSError.self) { try pair.handshake() }
        #expect(error?.refusal?.check == .expired)
        #expect(error?.message.contains("nowhere") == false)
    }
}
