import ApusCore
import ApusTLS
import CApusOpenSSL
import Testing

/// Handshake messages after the handshake, and calls within calls.
@Suite struct CiphertextPortTests {
    private func connected() throws -> TLSServerPair {
        let pair = try makePair(TLSServerContext())
        try pair.handshake()
        try pair.deliver()
        return pair
    }

    @Test func answersAKeyUpdate() throws {
        let pair = try connected()
        try pair.serverUpdatesKeys(asksForOurs: true)
        try pair.serverSends([1])
        try pair.deliver(slice: 1)
        #expect(pair.received == [1])
        try pair.clientSends([2])
        #expect(pair.serve() == [2])
    }

    @Test func takesAHundredKeyUpdatesAndNoMore() throws {
        let pair = try connected()
        // The two tickets after the handshake count as well.
        for _ in 0..<98 { try pair.serverUpdatesKeys() }
        try pair.deliver()
        try pair.serverUpdatesKeys()
        expectFailure(.abuse) { try pair.deliver() }
        expectFailure(.abuse) { try pair.clientSends([1]) }
    }

    @Test func stopsAmidAFloodOfRequestsForKeys() throws {
        let pair = try connected()
        for _ in 0..<5_000 { try pair.serverUpdatesKeys(asksForOurs: true) }
        expectFailure(.abuse) { try pair.deliver() }
        // The answers are bounded as the requests are.
        #expect(pair.fromClient.count < 10_000)
    }

    @Test func forgivesKeyUpdatesOverMuchData() throws {
        let pair = try connected()
        let data = pattern(1 << 20)
        for _ in 0..<40 {
            for _ in 0..<4 { try pair.serverUpdatesKeys() }
            try pair.serverSends(data)
            #expect(try pair.deliver(slice: 1 << 18) == .open)
        }
    }

    @Test func stopsAmidAFloodOfTickets() throws {
        let pair = try connected()
        #expect(throws: TLSError.self) {
            for _ in 0..<20 {
                try pair.serverSendsTickets(8)
                try pair.deliver()
            }
        }
    }

    /// Records must leave in the order they were made in, or the peer cannot read them.
    @Test func aSendWithinADeliveryTakesAlongWhatWasMadeBefore() throws {
        let pair = try connected()
        try pair.serverUpdatesKeys(asksForOurs: true)
        try pair.serverSends([1])
        var sent: [UInt8] = []
        var reply: [UInt8] = []
        let bytes = pair.toClient
        let client = pair.client
        let answer: [UInt8] = [2]
        _ = try client.receive(bytes.span.bytes, output: &reply) { plaintext in
            #expect(throws: Never.self) {
                try client.send(answer.span.bytes, output: &sent)
            }
        }
        pair.fromClient = sent + reply
        #expect(pair.serve() == [2])
        try pair.clientSends([3])
        #expect(pair.serve() == [3])
    }
}
