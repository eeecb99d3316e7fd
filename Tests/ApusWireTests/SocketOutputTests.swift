import ApusCore
import ApusSocket
@testable import ApusWire
import Glibc
import LoopFixtures
import Loopback
import Testing

/// What the socket takes, and what is kept of it.
@Suite(.timeLimit(.minutes(5))) struct SocketOutputTests {
    /// The state of an output.
    struct State: Equatable {
        var sent: UInt64
        var unsent = 0
        var isWritable = true
        var errno: Int32?

        init(sent: UInt64, unsent: Int = 0, isWritable: Bool = true, errno: Int32? = nil) {
            (self.sent, self.unsent) = (sent, unsent)
            (self.isWritable, self.errno) = (isWritable, errno)
        }

        init(_ output: SocketOutput) {
            self.init(
                sent: output.sentCount, unsent: output.unsentCount, isWritable: output.isWritable)
            if case .system(let error)? = output.error { errno = error.errno }
        }
    }

    /// Gives the body an output on a loop of its own, and a socket whose peer has this script.
    ///
    /// - Returns: what the body returns, and what the peer received.
    private func withOutput<Result: Sendable>(
        _ script: [ScriptedPeer.Step] = [.waitForSignal("never")],
        _ body: @escaping @Sendable (inout SocketOutput, StreamSocket) -> Result
    ) async throws -> (Result, received: [UInt8]) {
        let peer = try ScriptedPeer(everyConnection: script)
        defer { peer.stop() }
        let loop = try EventLoop(name: "apus-test")
        let socket = try connectedSocket(to: peer.port)
        let result = await loop.run {
            var output = SocketOutput(on: loop)
            defer { output.close() }
            return body(&output, socket)
        }
        await EventLoop.stopAndJoin([loop])
        if script.count > 1 { #expect(await peer.signal("all")) }
        return (result, peer.transcript(0).received)
    }

    /// Sends until the socket of a peer that reads nothing is full.
    private static func fill(_ output: inout SocketOutput, _ socket: StreamSocket) {
        let piece = [UInt8](repeating: 7, count: 1 << 20)
        for _ in 0..<64 where output.unsentCount == 0 { output.send(piece.span.bytes, to: socket) }
    }

    private static func pieces(_ bytes: [UInt8]) -> OutgoingBytes {
        var pieces = OutgoingBytes()
        pieces.append(Bytes(bytes))
        return pieces
    }

    @Test func whatTheSocketTakesIsCounted() async throws {
        let script: [ScriptedPeer.Step] = [.expectBytes(9), .signal("all")]
        let ((once, state), received) = try await withOutput(script) { output, socket in
            output.send(bytes([1, 2, 3]).span.bytes, to: socket)
            output.send(Self.pieces([4, 5]), to: socket)
            let once = output.writeOnce(Self.pieces([6, 7]), to: socket)
            output.keep(bytes([8, 9]).span.bytes, for: socket)
            return (once, State(output))
        }
        #expect(once == 2)
        #expect(state == State(sent: 9))
        #expect(received == [1, 2, 3, 4, 5, 6, 7, 8, 9])
    }

    @Test func whatAFullSocketDoesNotTakeIsKept() async throws {
        let ((full, after), _) = try await withOutput { output, socket in
            Self.fill(&output, socket)
            let full = State(output)
            output.send(bytes([1, 2, 3]).span.bytes, to: socket)
            output.send(Self.pieces([4, 5]), to: socket)
            return (full, State(output))
        }
        #expect(full.unsent > 0)
        #expect(!full.isWritable)
        #expect(after == State(sent: full.sent, unsent: full.unsent + 5, isWritable: false))
    }

    @Test("a socket that takes nothing is full until it is reported as writable")
    func full() async throws {
        let ((full, after), _) = try await withOutput { output, socket in
            let piece = Self.pieces([UInt8](repeating: 7, count: 1 << 20))
            for _ in 0..<64 where output.isWritable { _ = output.writeOnce(piece, to: socket) }
            let full = State(output)
            output.socketBecameWritable(socket)
            return (full, State(output))
        }
        #expect(full == State(sent: full.sent, isWritable: false))
        #expect(after == State(sent: full.sent))
    }

    @Test func nothingIsKeptOrSentAfterAnError() async throws {
        let (state, _) = try await withOutput { output, socket in
            output.failed(.layerTakesNoMore)
            output.keep(bytes([1]).span.bytes, for: socket)
            return State(output)
        }
        #expect(state == State(sent: 0, isWritable: false))
    }

    @Test func anErrorOfTheSocketIsNoted() async throws {
        let (state, _) = try await withOutput { output, socket in
            shutdown(socket.descriptor.number, Int32(SHUT_WR))
            output.send(bytes([1]).span.bytes, to: socket)
            return State(output)
        }
        #expect(state == State(sent: 0, isWritable: false, errno: EPIPE))
    }

    @Test func closingLetsGoOfWhatIsKept() async throws {
        let ((kept, after), _) = try await withOutput { output, socket in
            Self.fill(&output, socket)
            let kept = output.unsentCount
            output.close()
            return (kept, output.unsentCount)
        }
        #expect(kept > 0)
        #expect(after == 0)
    }
}
