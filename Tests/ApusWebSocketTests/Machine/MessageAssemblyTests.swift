import Apus
import ApusWebSocket
import Testing

/// Fragments, UTF-8 and limits, by the numbers of Autobahn's cases.
@Suite struct MessageAssemblyTests {
    // MARK: 5, fragments

    @Test(arguments: [9, 10] as [UInt8]) func case5_1_controlFramesAreWhole(opcode: UInt8) {
        let (played, others) = playEverywhere(
            wire(opcode, "frag", fin: false) + wire(0, "ment"))
        #expect(others == 0)
        #expect(played.fault?.code == .protocolError)
    }

    @Test func case5_3_fragmentsAreJoined() {
        let (played, others) = playEverywhere(
            wire(1, "frag", fin: false) + wire(0, "", fin: false) + wire(0, "ment")
                + wire(2, "bin", fin: false) + wire(0, "ary") + wire(1, "", fin: false)
                + wire(0, ""))
        #expect(others == 0)
        #expect(played.messages == [.text("fragment"), .binary(Bytes("binary")), .text("")])
    }

    @Test func case5_6_aPingBetweenFragmentsIsAnswered() {
        let (played, others) = playEverywhere(
            wire(1, "frag", fin: false) + wire(9, "ping") + wire(0, "ment"))
        #expect(others == 0)
        #expect(
            played
                == Played(
                    events: [.message(.text("fragment"))], due: due(10, Array("ping".utf8))))
    }

    @Test(arguments: [
        wire(0, "alone"), wire(0, "alone", fin: false),
        wire(1, "whole") + wire(0, "more"),
        wire(1, "a", fin: false) + wire(1, "b"), wire(1, "a", fin: false) + wire(2, "b"),
    ])
    func case5_9_wrongOrders(bytes: [UInt8]) {
        let (played, others) = playEverywhere(bytes)
        #expect(others == 0)
        #expect(played.fault?.code == .protocolError)
    }

    @Test func case5_19_pingsBetweenManyFragments() {
        var bytes = wire(1, "0", fin: false)
        for number in 1..<9 { bytes += wire(9, "\(number)") + wire(0, "\(number)", fin: false) }
        let (played, others) = playEverywhere(bytes + wire(0, "9"))
        #expect(others == 0)
        #expect(played.messages == [.text("0123456789")])
        #expect(played.due == due(10, [UInt8(ascii: "8")]))
    }

    @Test func aCloseMayComeBetweenFragments() {
        let (played, others) = playEverywhere(wire(1, "frag", fin: false) + closeFrame(1000))
        #expect(others == 0)
        #expect(played.events == [.closed(WebSocketClose(.normal))])
    }

    // MARK: 6, UTF-8

    /// Autobahn's 6.5 to 6.23: well-formed texts, among them noncharacters.
    @Test(arguments: [
        "", "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\u{0}", "\u{80}", "\u{800}", "\u{10000}", "\u{7F}",
        "\u{7FF}", "\u{FFFF}", "\u{10FFFF}", "\u{D7FF}", "\u{E000}", "\u{FFFD}", "\u{FFFE}",
        "\u{1FFFE}", "\u{10FFFE}",
    ])
    func case6_validTexts(text: String) {
        let bytes = Array(text.utf8)
        var fragmented = wire(1, [], fin: false)
        for byte in bytes { fragmented += wire(0, [byte], fin: false) }
        for wired in [wire(1, bytes), fragmented + wire(0)] {
            let (played, others) = playEverywhere(wired)
            #expect(others == 0)
            #expect(played.messages == [.text(text)])
        }
    }

    /// Autobahn's 6.3 and 6.6 to 6.21: lonely bytes, surrogates, overlong forms, too large numbers.
    @Test(
        arguments: [
            [0xCE, 0xBA, 0xED, 0xA0, 0x80, 0x65], [0xF8, 0x88, 0x80, 0x80, 0x80],
            [0xFC, 0x84, 0x80, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80], [0xBF],
            [0x80, 0xBF], [0xC0, 0x20], [0xE0, 0x20], [0xF0, 0x20], [0xC0], [0xE0, 0x80],
            [0xF0, 0x80, 0x80], [0xDF], [0xEF, 0xBF], [0xF7, 0xBF, 0xBF], [0xFE], [0xFF],
            [0xC0, 0xAF],
            [0xE0, 0x80, 0xAF], [0xF0, 0x80, 0x80, 0xAF], [0xC1, 0xBF], [0xE0, 0x9F, 0xBF],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF],
            [0xED, 0xA0, 0x80, 0xED, 0xB0, 0x80], [0xCE], [0xE2, 0x82],
        ] as [[UInt8]])
    func case6_invalidTexts(bytes: [UInt8]) {
        var fragmented = wire(1, [], fin: false)
        for byte in bytes { fragmented += wire(0, [byte], fin: false) }
        for wired in [wire(1, bytes), fragmented + wire(0)] {
            let (played, others) = playEverywhere(wired)
            #expect(others == 0)
            #expect(played.events.isEmpty)
            #expect(played.fault?.code == .invalidPayload)
            #expect(Array(played.due.dropFirst(6).prefix(2)) == [3, 0xEF])
        }
    }

    /// 6.4: an invalid byte ends the connection before its message, or its frame, is whole.
    @Test func case6_4_aTextFailsAtTheFirstWrongByte() {
        var machine = WebSocketMachine(.client, limits: .test)
        let payload = Array("κόσμε".utf8) + [0xF4, 0x90] + [UInt8](repeating: 0x41, count: 100)
        let frame = wire(1, payload, fin: false)
        let wrong = frame.count - 101
        machine.bytesReceived(Bytes(Array(frame[..<wrong])))
        #expect(throws: Never.self) { try machine.nextEvent() }
        machine.bytesReceived(Bytes([frame[wrong]]))
        #expect(throws: WebSocketFault.self) { try machine.nextEvent() }
    }

    @Test func binaryMessagesMayHoldAnything() {
        let (played, others) = playEverywhere(wire(2, [0xFF, 0xFE], fin: false) + wire(0, [0x80]))
        #expect(others == 0)
        #expect(played.messages == [.binary(Bytes([0xFF, 0xFE, 0x80]))])
    }

    // MARK: 9, limits

    @Test(arguments: [99, 100, 101]) func case9_aMessageAtItsLimit(count: Int) {
        let payload = [UInt8](repeating: 0x2A, count: count)
        let limits = WebSocketMachine.Limits(frame: 1000, message: 100, sentFrame: 100)
        let ways = [
            wire(2, payload),
            wire(2, Array(payload[..<60]), fin: false) + wire(0, Array(payload[60...])),
        ]
        for bytes in ways {
            let (played, others) = playEverywhere(bytes, limits: limits)
            #expect(others == 0)
            if count <= 100 {
                #expect(played.messages == [.binary(Bytes(payload))])
            } else {
                #expect(played.fault?.code == .messageTooBig)
            }
        }
    }

    @Test(arguments: [100, 101]) func case9_aFrameAtItsLimit(count: Int) {
        let limits = WebSocketMachine.Limits(frame: 100, message: 1000, sentFrame: 100)
        let frame = wire(2, [UInt8](repeating: 0, count: count))
        let (played, others) = playEverywhere(frame, limits: limits)
        #expect(others == 0)
        #expect(played.fault?.code == (count == 100 ? nil : .messageTooBig))
    }

    /// Of a wrong byte and the limit, the first in the text is reported, however it arrives.
    @Test(
        arguments: [
            // 90 letters, 0xFF, 100 letters.
            (
                [0x4A, 0x4C, 0xA4, 0x15, 0xF8, 0x9F, 0x44, 0x07, 0, 0], .invalidPayload
            ),
            // 100 letters, 0xFF.
            ([0x4A, 0x4C, 0xA4, 0x3D, 0xF8, 0x0F, 0], .messageTooBig),
        ] as [([UInt8], WebSocketCloseCode)])
    func theFirstFaultOfACompressedTextIsReported(deflated: [UInt8], code: WebSocketCloseCode) {
        let limits = WebSocketMachine.Limits(frame: 100, message: 100, sentFrame: 100)
        let (played, others) = playEverywhere(
            wire(1, deflated, reserved: 4), limits: limits, agreement: DeflateAgreement())
        #expect(others == 0)
        #expect(played.fault?.code == code)
    }

    /// The head alone decides, so nothing is held for a message that is refused.
    @Test func case9_aLongFrameIsRefusedByItsHead() {
        let head: [UInt8] = [0x82, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]
        let (played, others) = playEverywhere(head)
        #expect(others == 0)
        #expect(played.fault?.code == .messageTooBig)
    }

    /// 9.1 to 9.8: megabytes in one frame, in many fragments, in small pieces.
    @Test func case9_largeMessages() {
        let payload = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ ($0 >> 8)) }
        let limits = WebSocketMachine.Limits(
            frame: 1_000_000, message: 1_000_000, sentFrame: 1_000_000)
        let parts = payload.chunked(64 * 1024)
        var fragments: [UInt8] = []
        for (index, part) in parts.enumerated() {
            fragments += wire(index == 0 ? 2 : 0, part, fin: index == parts.count - 1)
        }
        for bytes in [wire(2, payload), fragments] {
            for pieces in [[bytes], bytes.chunked(1024)] {
                #expect(play(pieces, limits: limits).messages == [.binary(Bytes(payload))])
            }
        }
    }
}
