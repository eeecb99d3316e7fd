import ApusCore
import ApusTLS
import CApusOpenSSL
import Testing

/// Sending while a handshake message of the peer is only half here: OpenSSL must read first.
@Suite struct TLSEngineLateMessageTests {
    /// A connection, and the records of one ticket that is too large for one of them.
    private func connectedWithTicket() throws -> (pair: TLSServerPair, records: [[UInt8]]) {
        let pair = try makePair(TLSServerContext(versions: .tls13 ... .tls13))
        try pair.handshake()
        try pair.deliver()
        SSL_ctrl(pair.server, SSL_CTRL_SET_MAX_SEND_FRAGMENT, 512, nil)
        let filler = [UInt8](repeating: 1, count: 2_000)
        try check(
            SSL_SESSION_set1_ticket_appdata(
                SSL_get_session(pair.server), filler, filler.count))
        try pair.serverSendsTickets(1)
        var records: [[UInt8]] = []
        while pair.toClient.count >= 5 {
            let length = 5 + (Int(pair.toClient[3]) << 8 | Int(pair.toClient[4]))
            records.append(Array(pair.toClient[..<length]))
            pair.toClient.removeFirst(length)
        }
        return (pair, records)
    }

    @Test(arguments: 0...5)
    func sendsInTheMiddleOfATicket(count: Int) throws {
        let (pair, records) = try connectedWithTicket()
        #expect(records.count > 3)
        for record in records.prefix(count) { _ = try pair.receive(record) }
        try pair.clientSends([1, 2])
        for record in records.dropFirst(count) { _ = try pair.receive(record) }
        try pair.clientSends([3])
        #expect(pair.serve() == [1, 2, 3])
        #expect(pair.client.nextSession() != nil)
    }

    @Test func sendsWhatWaitedInOrder() throws {
        let (pair, records) = try connectedWithTicket()
        _ = try pair.receive(records[0])
        let piece = pattern(300_000)
        for _ in 0..<4 { try pair.clientSends(piece) }
        #expect(pair.fromClient.isEmpty)
        for record in records.dropFirst() { _ = try pair.receive(record) }
        try pair.clientSends([1])
        #expect(pair.serve() == piece + piece + piece + piece + [1])
    }

    /// A peer that never ends its message makes us hold 1 MiB and one piece at most.
    @Test func boundsWhatWaits() throws {
        let (pair, records) = try connectedWithTicket()
        _ = try pair.receive(records[0])
        let piece = pattern(300_000)
        for _ in 0..<4 { try pair.clientSends(piece) }
        expectFailure(.abuse) { try pair.clientSends(piece) }
        expectFailure(.abuse) { _ = try pair.receive([]) }
    }
}
