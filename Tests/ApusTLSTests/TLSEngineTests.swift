import ApusCore
import ApusTLS
import CApusOpenSSL
import Testing

/// Bytes after the handshake: both ways, at the end, and from a peer that misbehaves.
@Suite struct TLSEngineTests {
    private func connected(
        _ version: EngineTuning.TLS.Version = .tls13
    ) throws -> TLSServerPair {
        let pair = try makePair(TLSServerContext(versions: version...version))
        try pair.handshake()
        try pair.deliver()
        return pair
    }

    // MARK: Data

    @Test(arguments: [EngineTuning.TLS.Version.tls12, .tls13], [997, 16_389, Int.max])
    func carriesMuchDataBothWays(version: EngineTuning.TLS.Version, slice: Int) throws {
        let pair = try connected(version)
        let data = pattern(300_001)
        try pair.serverSends(data)
        #expect(try pair.deliver(slice: slice) == .open)
        #expect(pair.received == data)
        for start in stride(from: 0, to: data.count, by: 70_001) {
            try pair.clientSends(Array(data[start..<min(start + 70_001, data.count)]))
        }
        #expect(pair.serve() == data)
    }

    @Test func takesItsInputByteByByte() throws {
        let pair = try connected()
        for piece in ["a", "bc", "", "def"] where !piece.isEmpty {
            try pair.serverSends(Array(piece.utf8))
        }
        try pair.deliver(slice: 1)
        #expect(pair.received == Array("abcdef".utf8))
    }

    /// A server's small events are many records; the receiver is called once for them.
    @Test func deliversSmallRecordsTogether() throws {
        let pair = try connected()
        for number in 0..<100 { try pair.serverSends([UInt8(number)]) }
        try pair.deliver()
        #expect(pair.received == (0..<100).map { UInt8($0) })
        #expect(pair.deliveries == 1)
    }

    @Test func keepsBytesThatFollowTheHandshake() throws {
        let pair = try makePair(TLSServerContext(versions: .tls12 ... .tls12))
        var output: [UInt8] = []
        _ = try pair.client.handshake([UInt8]().span.bytes, output: &output)
        pair.fromClient = output
        pair.serve()
        let flight = pair.toClient
        pair.toClient = []
        _ = try pair.client.handshake(flight.span.bytes, output: &pair.fromClient)
        pair.serve()
        // The server's last flight, directly followed by data.
        try pair.serverSends(Array("early".utf8))
        let last = pair.toClient
        pair.toClient = []
        let progress = try pair.client.handshake(last.span.bytes, output: &pair.fromClient)
        #expect(progress == .complete)
        #expect(try pair.receive([]) == .open)
        #expect(pair.received == Array("early".utf8))
        #expect(try pair.receive([]) == .open)
        #expect(pair.deliveries == 1)
    }

    @Test func sendsRecordsOf16KiBAtMost() throws {
        let pair = try connected()
        try pair.clientSends(pattern(100_000))
        var index = 0
        while index < pair.fromClient.count {
            let length = Int(pair.fromClient[index + 3]) << 8 | Int(pair.fromClient[index + 4])
            #expect(length <= 16_384 + 256)
            index += 5 + length
        }
        #expect(index == pair.fromClient.count)
    }

    @Test func sendsNothingForNothing() throws {
        let pair = try connected()
        try pair.clientSends([])
        #expect(pair.fromClient.isEmpty)
    }

    @Test func refusesDataBeforeTheHandshake() throws {
        let pair = try makePair(TLSServerContext())
        expectFailure(.alert) { try pair.clientSends([1]) }
        expectFailure(.handshake) { _ = try pair.receive([1]) }
        // Neither did harm.
        try pair.handshake()
    }

    // MARK: The end

    @Test(arguments: [EngineTuning.TLS.Version.tls12, .tls13])
    func endsByCloseNotify(version: EngineTuning.TLS.Version) throws {
        let pair = try connected(version)
        try pair.serverSends([1, 2])
        pair.serverCloses()
        #expect(try pair.deliver(slice: 5) == .closed)
        #expect(pair.received == [1, 2])
        // Bytes after the end are ignored (RFC 8446, section 6.1).
        #expect(try pair.receive([1, 2, 3]) == .closed)
        try pair.client.streamEnded()
        // Our own side is open still.
        try pair.clientSends([3])
        #expect(pair.serve() == [3])
    }

    @Test(arguments: [EngineTuning.TLS.Version.tls12, .tls13])
    func anEndWithoutCloseNotifyIsATruncation(version: EngineTuning.TLS.Version) throws {
        let pair = try connected(version)
        try pair.serverSends([1, 2])
        try pair.deliver()
        #expect(pair.received == [1, 2])
        expectFailure(.unexpectedEnd) { try pair.client.streamEnded() }
        var farewell: [UInt8] = []
        pair.client.close(output: &farewell)
        #expect(farewell.isEmpty)
    }

    @Test func saysCloseNotifyOnce() throws {
        let pair = try connected()
        pair.client.close(output: &pair.fromClient)
        #expect(!pair.fromClient.isEmpty)
        pair.serve()
        #expect(SSL_get_shutdown(pair.server) & SSL_RECEIVED_SHUTDOWN != 0)
        pair.client.close(output: &pair.fromClient)
        #expect(pair.fromClient.isEmpty)
        expectFailure(.alert) { try pair.clientSends([1]) }
        // The peer may go on.
        try pair.serverSends([9])
        #expect(try pair.deliver() == .open)
        #expect(pair.received == [9])
    }

    @Test func closingBeforeTheHandshakeSaysNothing() throws {
        let pair = try makePair(TLSServerContext())
        var output: [UInt8] = []
        pair.client.close(output: &output)
        #expect(output.isEmpty)
        try pair.handshake()
    }

    // MARK: Misbehaviour

    @Test(arguments: [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "\u{17}\u{3}\u{3}\u{0}\u{14}abcdefghijklmnopqrstuvwxyz",
    ])
    func failsOnGarbageAfterWhatWasGood(text: String) throws {
        let pair = try connected()
        try pair.serverSends([1, 2])
        pair.toClient.append(contentsOf: text.utf8)
        expectFailure(.alert) { try pair.deliver() }
        #expect(pair.received == [1, 2])
        // An alert for the peer, and nothing any more.
        #expect(!pair.fromClient.isEmpty)
        expectFailure(.alert) { try pair.clientSends([1]) }
        expectFailure(.alert) { _ = try pair.receive([]) }
        expectFailure(.alert) { try pair.client.streamEnded() }
    }

    @Test func failsOnAFlippedBit() throws {
        let pair = try connected()
        try pair.serverSends(pattern(100))
        pair.toClient[50] ^= 1
        expectFailure(.alert) { try pair.deliver() }
        #expect(pair.received.isEmpty)
    }

    /// The error queue belongs to the thread, hence to every connection on it.
    @Test func isNotMisledByAnothersError() throws {
        let pair = try connected()
        let other = SSL_CTX_new(TLS_client_method())
        defer { SSL_CTX_free(other) }
        try pair.serverSends([1, 2])
        #expect(SSL_CTX_load_verify_file(other, "/nonexistent") == 0)
        #expect(try pair.deliver(slice: 1) == .open)
        #expect(pair.received == [1, 2])
        #expect(SSL_CTX_load_verify_file(other, "/nonexistent") == 0)
        try pair.clientSends([3])
        #expect(pair.serve() == [3])
    }

    @Test func doesNotRenegotiate() throws {
        let pair = try connected(.tls12)
        ERR_clear_error()
        try check(SSL_renegotiate(pair.server))
        SSL_do_handshake(pair.server)
        pair.collect()
        #expect(try pair.deliver() == .open)
        // A warning that says no, and no ClientHello.
        #expect(pair.fromClient.first == 21)
    }

    @Test func offersNoAuthenticationAfterTheHandshake() throws {
        let pair = try connected()
        SSL_set_verify(pair.server, SSL_VERIFY_PEER, nil)
        #expect(SSL_verify_client_post_handshake(pair.server) == 0)
    }
}
