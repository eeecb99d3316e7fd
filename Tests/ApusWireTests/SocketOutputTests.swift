import ApusCore
import ApusSocket
@testable import ApusWire
import Glibc
import Loopback
import Testing

/// What the socket takes, and what is kept of it.
@Suite(.timeLimit(.minutes(5))) struct SocketOutputTests {
    /// Gives the body an output on a loop of its own, and a socket whose peer has this script.
    private func withOutput(
        _ script: [ScriptedPeer.Step],
        _ body: @escaping @Sendable (inout SocketOutput, StreamSocket) -> Void
    ) async throws -> ScriptedPeer {
        let peer = try ScriptedPeer(everyConnection: script)
        let loop = try EventLoop(name: "apus-test")
        let socket = try connectedSocket(to: peer.port)
        await loop.run {
            var output = SocketOutput(on: loop)
            body(&output, socket)
            output.close()
        }
        await EventLoop.stopAndJoin([loop])
        return peer
    }

    /// Sends until the socket of a peer that reads nothing is full; how many bytes are kept.
    private static func fill(_ output: inout SocketOutput, _ socket: StreamSocket) -> Int {
        let piece = [UInt8](repeating: 7, count: 1 << 20)
        for _ in 0..<64 where output.unsentCount == 0 { output.send(piece.span.bytes, to: socket) }
        return output.unsentCount
    }

    @Test func whatTheSocketTakesIsCounted() async throws {
        let peer = try await withOutput([.expectBytes(9), .signal("all")]) { output, socket in
            output.send(bytes([1, 2, 3]).span.bytes, to: socket)
            var pieces = OutgoingBytes()
            pieces.append(Bytes([4, 5]))
            output.send(pieces, to: socket)
            #expect(output.writeOnce(pieces, to: socket) == 2)
            output.keep(bytes([6, 7]).span.bytes, for: socket)
            #expect(output.sentCount == 9)
            #expect(output.unsentCount == 0)
            #expect(output.isWritable)
        }
        #expect(await peer.signal("all"))
        #expect(peer.transcript(0).received == [1, 2, 3, 4, 5, 4, 5, 6, 7])
        peer.stop()
    }

    @Test func whatAFullSocketDoesNotTakeIsKeptInOrder() async throws {
        let peer = try await withOutput([.waitForSignal("never")]) { output, socket in
            let kept = Self.fill(&output, socket)
            #expect(kept > 0)
            #expect(!output.isWritable)
            var pieces = OutgoingBytes()
            pieces.append(Bytes([4, 5]))
            let sent = output.sentCount
            output.send(bytes([1, 2, 3]).span.bytes, to: socket)
            output.send(pieces, to: socket)
            #expect(output.unsentCount == kept + 5)
            #expect(output.sentCount == sent)
        }
        peer.stop()
    }

    @Test("a socket that takes none of what is not kept is full until it says otherwise")
    func full() async throws {
        let peer = try await withOutput([.waitForSignal("never")]) { output, socket in
            var pieces = OutgoingBytes()
            pieces.append(Bytes([UInt8](repeating: 7, count: 1 << 20)))
            for _ in 0..<64 where output.isWritable { _ = output.writeOnce(pieces, to: socket) }
            #expect(!output.isWritable)
            #expect(output.unsentCount == 0)
            output.socketBecameWritable(socket)
            #expect(output.isWritable)
        }
        peer.stop()
    }

    @Test func nothingIsSentAfterAnError() async throws {
        let peer = try await withOutput([.waitForSignal("never")]) { output, socket in
            output.failed(.layerTakesNoMore)
            #expect(output.error != nil)
            #expect(!output.isWritable)
            output.keep(bytes([1]).span.bytes, for: socket)
            #expect(output.sentCount == 0)
            #expect(output.unsentCount == 0)
        }
        peer.stop()
    }

    @Test func anErrorOfTheSocketIsKept() async throws {
        let peer = try await withOutput([.waitForSignal("never")]) { output, socket in
            shutdown(socket.descriptor.number, Int32(SHUT_WR))
            output.send(bytes([1]).span.bytes, to: socket)
            guard case .system(let error)? = output.error else {
                Issue.record("it was sent")
                return
            }
            #expect(error.errno == EPIPE)
            #expect(output.unsentCount == 0)
            #expect(!output.isWritable)
        }
        peer.stop()
    }

    @Test func closingLetsGoOfWhatIsKept() async throws {
        let peer = try await withOutput([.waitForSignal("never")]) { output, socket in
            #expect(Self.fill(&output, socket) > 0)
            output.close()
            #expect(output.unsentCount == 0)
        }
        peer.stop()
    }
}
