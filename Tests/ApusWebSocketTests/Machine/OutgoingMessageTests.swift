import Apus
import ApusWebSocket
import Testing

/// Messages on the way out.
@Suite struct OutgoingMessageTests {
    private func frames(_ message: WebSocketMessage, maxFrame: Int) -> [[UInt8]] {
        var machine = WebSocketMachine(
            .server, limits: .init(frame: 1 << 20, message: 1 << 20, sentFrame: maxFrame))
        var outgoing = machine.start(message)
        var frames: [[UInt8]] = []
        while !outgoing.isDone {
            #expect(outgoing.isWhole == frames.isEmpty)
            frames.append(outgoing.nextFrame(mask: nil).array)
        }
        return frames
    }

    @Test func aMessageIsCutIntoFramesOfTheLargestSize() {
        for message in [.binary(Bytes("abcdefg")), .text("abcdefg")] as [WebSocketMessage] {
            let opcode: UInt8 = message == .text("abcdefg") ? 1 : 2
            #expect(frames(message, maxFrame: 7) == [wire(opcode, "abcdefg")])
            #expect(
                frames(message, maxFrame: 3) == [
                    wire(opcode, "abc", fin: false), wire(0, "def", fin: false), wire(0, "g"),
                ])
            #expect(
                frames(message, maxFrame: 6) == [
                    wire(opcode, "abcdef", fin: false), wire(0, "g"),
                ])
        }
    }

    @Test func anEmptyMessageIsOneFrame() {
        #expect(frames(.text(""), maxFrame: 10) == [wire(1)])
        #expect(frames(.binary(.empty), maxFrame: 10) == [wire(2)])
    }

    /// A character that is cut is whole again after joining.
    @Test func textIsCutAnywhere() {
        let frames = frames(.text("κόσμε"), maxFrame: 1)
        #expect(play(frames).messages == [.text("κόσμε")])
    }
}
