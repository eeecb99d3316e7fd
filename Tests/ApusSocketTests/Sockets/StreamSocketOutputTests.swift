import ApusCore
import ApusSocket
import Glibc
import Testing

/// What is known of bytes that were written.
@Suite(.timeLimit(.minutes(5))) struct StreamSocketOutputTests {
    @Test func whatThePeersSystemHasNotTakenIsCounted() throws {
        let connection = try Connection()
        #expect(connection.ours.unacknowledgedCount == 0)
        let piece = [UInt8](repeating: 1, count: 65_536)
        var written = 0
        while true {
            let count = try piece.withSpan { try connection.ours.write($0) }
            guard count > 0 else { break }
            written += count
        }
        // The socket is full because the peer does not read, so some bytes are still on this side.
        #expect((1...written).contains(connection.ours.unacknowledgedCount))
        var read = 0
        while read < written { read += connection.receive().count }
        // All was read, so all has arrived; that it is acknowledged follows.
        let socket = connection.ours.descriptor.number
        while connection.ours.unacknowledgedCount > 0 {
            #expect(isReady(socket, for: POLLOUT))
            sched_yield()
        }
    }
}
