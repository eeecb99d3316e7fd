import ApusCore
import ApusTLS
import CApusOpenSSL
import Loopback

/// A client engine and an OpenSSL server that talk through memory, in slices as small as wanted.
final class TLSServerPair {
    let client: TLSEngine
    let server: OpaquePointer
    private let context: TLSServerContext
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer

    /// What the client received so far, decrypted.
    private(set) var received: [UInt8] = []
    /// How often plaintext was delivered.
    private(set) var deliveries = 0
    /// Bytes for the server that the client made outside of `exchange`.
    var fromClient: [UInt8] = []
    /// Bytes for the client that it has not been given yet.
    var toClient: [UInt8] = []

    init(_ client: TLSEngine, _ context: TLSServerContext) throws {
        self.client = client
        self.context = context
        server = try require(SSL_new(context.pointer))
        incoming = try require(BIO_new(BIO_s_mem()))
        outgoing = try require(BIO_new(BIO_s_mem()))
        SSL_set_bio(server, incoming, outgoing)
        SSL_set_accept_state(server)
    }

    deinit {
        SSL_free(server)
    }

    /// Runs the client's handshake to its end, its input in slices; the client's verdict is thrown.
    func handshake(slice: Int = .max) throws {
        var progress = try client.handshake([UInt8]().span.bytes, output: &fromClient)
        for _ in 0..<10 {
            serve()
            while !toClient.isEmpty {
                let bytes = takeSlice(slice)
                progress = try client.handshake(bytes.span.bytes, output: &fromClient)
            }
            if progress == .complete { break }
        }
        guard progress == .complete else { throw ServerFailure() }
        // The client's last flight, and the server's tickets.
        serve()
    }

    /// Gives the client what the server made, in slices.
    @discardableResult
    func deliver(slice: Int = .max) throws -> TLSEngine.ReceiveResult {
        var result = try receive([])
        while !toClient.isEmpty { result = try receive(takeSlice(slice)) }
        return result
    }

    func receive(_ bytes: [UInt8]) throws -> TLSEngine.ReceiveResult {
        try client.receive(bytes.span.bytes, output: &fromClient) { plaintext in
            deliveries += 1
            received.append(contentsOf: plaintext)
        }
    }

    /// Lets the server work on what the client made; what the server decrypts is returned.
    @discardableResult
    func serve() -> [UInt8] {
        var plaintext: [UInt8] = []
        if !fromClient.isEmpty {
            BIO_write(incoming, fromClient, Int32(fromClient.count))
            fromClient = []
        }
        ERR_clear_error()
        if SSL_is_init_finished(server) == 0 { SSL_do_handshake(server) }
        var buffer = [UInt8](repeating: 0, count: 16_384)
        var count = 0
        ERR_clear_error()
        while SSL_read_ex(server, &buffer, buffer.count, &count) == 1 {
            plaintext.append(contentsOf: buffer[..<count])
        }
        collect()
        return plaintext
    }

    func serverSends(_ bytes: [UInt8]) throws {
        ERR_clear_error()
        var count = 0
        try check(SSL_write_ex(server, bytes, bytes.count, &count))
        collect()
    }

    func serverCloses() {
        ERR_clear_error()
        SSL_shutdown(server)
        collect()
    }

    func serverUpdatesKeys(asksForOurs: Bool = false) throws {
        ERR_clear_error()
        let kind = asksForOurs ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED
        try check(SSL_key_update(server, kind))
        try check(SSL_do_handshake(server))
        collect()
    }

    func serverSendsTickets(_ count: Int) throws {
        ERR_clear_error()
        for _ in 0..<count {
            try check(SSL_new_session_ticket(server))
            try check(SSL_do_handshake(server))
        }
        collect()
    }

    func clientSends(_ bytes: [UInt8]) throws {
        try client.send(bytes.span.bytes, output: &fromClient)
    }

    /// The name that the client sent as SNI.
    var serverName: String? {
        SSL_get_servername(server, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) }
    }

    /// Moves what the server wrote.
    func collect() {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while BIO_ctrl_pending(outgoing) > 0 {
            let count = BIO_read(outgoing, &buffer, Int32(buffer.count))
            guard count > 0 else { return }
            toClient.append(contentsOf: buffer[..<Int(count)])
        }
    }

    private func takeSlice(_ size: Int) -> [UInt8] {
        let slice = Array(toClient.prefix(size))
        toClient.removeFirst(slice.count)
        return slice
    }
}

/// Settings that trust the fixtures' root.
func trusting(
    versions: ClosedRange<EngineTuning.TLS.Version> = .tls12 ... .tls13
) -> EngineTuning.TLS {
    var settings = EngineTuning.TLS()
    settings.roots = .file(FixturePaths.pem("ca"))
    settings.minimumVersion = versions.lowerBound
    settings.maximumVersion = versions.upperBound
    return settings
}

/// A pair whose client trusts the fixtures' root.
func makePair(
    _ server: TLSServerContext, settings: EngineTuning.TLS = trusting(), alpn: [String] = [],
    serverName: String = "localhost", session: TLSSession? = nil
) throws -> TLSServerPair {
    let context = try TLSContext(settings, alpn: alpn)
    return try TLSServerPair(
        TLSEngine(context, serverName: serverName, session: session), server)
}

/// Bytes that no two places of a message have in common for long.
func pattern(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
}
