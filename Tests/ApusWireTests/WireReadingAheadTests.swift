import ApusCore
import ApusTunnel
@testable import ApusWire
import HTTPTypes
import Loopback
import Testing

/// While the owner does not read, an HTTP/2 proxy gets its answers and the tunnel's bytes are held.
@Suite(.timeLimit(.minutes(5))) struct WireReadingAheadTests {
    /// Reads until the answer to this PING has come.
    private static func expectAnsweredPing(_ number: UInt8) -> ScriptedPeer.Step {
        .expect { bytes in
            let frames = Frames.types(of: Array(bytes))
            let isAnswered = frames.contains {
                $0.type == 6 && $0.flags == 1 && $0.payload.last == number
            }
            return isAnswered ? bytes.count : nil
        }
    }

    /// Reads until a CONNECT has come.
    private static let asked = ScriptedPeer.Step.expect { bytes in
        Frames.types(of: Array(bytes)).contains { $0.type == 1 } ? bytes.count : nil
    }

    private static let opening: [ScriptedPeer.Step] = [
        asked, .send(Frames.settings + Frames.established),
    ]

    /// Gives the body a wire whose tunnel is established; the proxy goes on with this script.
    private func withTunnel(
        _ script: [ScriptedPeer.Step], _ body: (WireStand) async throws -> Void
    ) async throws {
        try await withWire(Self.opening + script) { stand in
            let handshake = Held(
                try TunnelHandshake.http2Connect(
                    to: "origin.test:443", fields: [:], EngineTuning.HTTP2(),
                    limits: EngineTuning.Limits()))
            await stand.onLoop { wire, _ in
                var output: [UInt8] = []
                try? handshake.value.start(output: &output)
                wire.send(output)
            }
            let answer = await stand.received((Frames.settings + Frames.established).count)
            let isAdded = await stand.onLoop { wire, reader -> Bool in
                reader.isPaused = true
                var (output, offset): ([UInt8], Int) = ([], 0)
                let progress = try? answer.withSpan { (span) throws(TunnelError) in
                    try handshake.value.bytesReceived(span, offset: &offset, output: &output)
                }
                guard progress == .established, case .http2Connect(let done) = handshake.value
                else { return false }
                wire.send(output)
                return (try? wire.add(.tunnel(HTTP2Tunnel(done)))) != nil
            }
            try #require(isAdded)
            stand.peer.release("established")
            try await body(stand)
        }
    }

    /// A value that only one loop's thread touches, wherever its reference goes.
    private final class Held<Value>: @unchecked Sendable {
        var value: Value

        init(_ value: Value) {
            self.value = value
        }
    }

    @Test func aPINGIsAnsweredAndTheBytesBeforeItAreHeld() async throws {
        let script: [ScriptedPeer.Step] = [
            .waitForSignal("established"), .send(Frames.data([1, 2, 3]) + Frames.ping(9)),
            Self.expectAnsweredPing(9), .signal("answered"), .readUntilEnd,
        ]
        try await withTunnel(script) { stand in
            let before = await stand.onLoop { $1.received.count }
            #expect(await stand.peer.signal("answered"))
            let (unread, mayHaveInput) = await stand.onLoop { wire, reader in
                (reader.received.count, wire.mayHaveInput)
            }
            #expect(unread == before)
            #expect(mayHaveInput)
            await stand.onLoop { _, reader in
                reader.isPaused = false
                reader.readAll()
            }
            #expect(await stand.received(before + 3).suffix(3) == [1, 2, 3])
        }
    }

    @Test func anEndThatCameMeanwhileIsReadAfterTheBytes() async throws {
        let script: [ScriptedPeer.Step] = [
            .waitForSignal("established"), .send(Frames.data([1, 2, 3])), .send(Frames.ping(9)),
            Self.expectAnsweredPing(9), .send(Frames.data([4], ends: true)), .send(Frames.ping(8)),
            Self.expectAnsweredPing(8), .signal("ended"), .readUntilEnd,
        ]
        try await withTunnel(script) { stand in
            #expect(await stand.peer.signal("ended"))
            let pieces = await stand.onLoop { _, reader -> [Int] in
                var pieces: [Int] = []
                while reader.ending == nil, pieces.count < 10 { pieces.append(reader.readOnce()) }
                return pieces
            }
            #expect(pieces.reduce(0, +) == 4)
            guard case .end? = await stand.ending() else {
                Issue.record("reading did not end in order")
                return
            }
        }
    }

    @Test func aConnectionThatEndsBeforeItsTunnelIsAnErrorAfterTheBytes() async throws {
        let script: [ScriptedPeer.Step] = [
            .waitForSignal("established"), .send(Frames.data([1, 2, 3])), .send(Frames.ping(9)),
            Self.expectAnsweredPing(9), .halfClose, .signal("ended"), .readUntilEnd,
        ]
        try await withTunnel(script) { stand in
            #expect(await stand.peer.signal("ended"))
            let before = await stand.onLoop { $1.received.count }
            await stand.onLoop { _, reader in
                reader.isPaused = false
                reader.readAll()
            }
            guard case .failed(.tunnel(.connectionEnded))? = await stand.ending() else {
                Issue.record("reading did not fail")
                return
            }
            #expect(await stand.onLoop { $1.received.count } == before + 3)
        }
    }
}
