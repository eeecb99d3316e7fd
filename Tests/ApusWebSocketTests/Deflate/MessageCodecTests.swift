import Apus
import ApusWebSocket
import ApusZlib
import Testing

/// permessage-deflate, by the examples of RFC 7692 and the numbers of Autobahn's cases 12 and 13.
@Suite struct MessageCodecTests {
    // MARK: The examples of RFC 7692, section 7.2.3

    @Test(
        arguments: [
            // 7.2.3.1, one block, whole and in fragments.
            ([wire(1, [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], reserved: 4)], ["Hello"]),
            (
                [
                    wire(1, [0xf2, 0x48, 0xcd], fin: false, reserved: 4),
                    wire(0, [0xc9, 0xc9, 0x07, 0x00]),
                ], ["Hello"]
            ),
            // 7.2.3.2, a shared window.
            (
                [
                    wire(1, [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], reserved: 4),
                    wire(1, [0xf2, 0x00, 0x11, 0x00, 0x00], reserved: 4),
                ], ["Hello", "Hello"]
            ),
            // 7.2.3.3, a block without compression.
            (
                [
                    wire(
                        1, [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
                        reserved: 4)
                ], ["Hello"]
            ),
            // 7.2.3.4, a block that ends the stream; a further message follows.
            (
                [
                    wire(1, [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], reserved: 4),
                    wire(1, [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], reserved: 4),
                ], ["Hello", "Hello"]
            ),
            // 7.2.3.5, two blocks; 7.2.3.6, an empty message; a message without compression.
            (
                [
                    wire(
                        1,
                        [
                            0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07,
                            0x00,
                        ], reserved: 4), wire(1, [0x00], reserved: 4), wire(1, "plain"),
                ], ["Hello", "", "plain"]
            ),
        ] as [([[UInt8]], [String])])
    func theExamplesOfTheRFC(frames: [[UInt8]], texts: [String]) {
        let (played, others) = playEverywhere(frames.flatMap(\.self), agreement: .init())
        #expect(others == 0)
        #expect(played.messages == texts.map { .text($0) })
        #expect(played.fault == nil)
    }

    // MARK: 12 and 13, messages of many sizes with every parameter

    static let agreements: [DeflateAgreement] = [9, 10, 12, 15].flatMap { bits in
        [(true, true), (false, true), (true, false), (false, false)].map { client, server in
            var agreement = DeflateAgreement()
            agreement.clientContextTakeover = client
            agreement.serverContextTakeover = server
            agreement.clientWindowBits = bits
            agreement.serverWindowBits = 24 - bits
            return agreement
        }
    }

    @Test(arguments: agreements)
    func case12_messagesArriveAsTheyWereSent(agreement: DeflateAgreement) throws {
        var client = WebSocketMachine(.client, limits: .test, agreement: agreement)
        var server = WebSocketMachine(.server, limits: .test, agreement: agreement)
        let sizes = [0, 1, 16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536]
        for round in 0..<3 {
            for size in sizes {
                let text = Self.json(size, round)
                let noise = Self.noise.slice(round..<round + size)
                for message in [.text(text), .binary(noise)] as [WebSocketMessage] {
                    try Self.pass(message, from: &client, to: &server, mask: 0x1234_5678)
                    try Self.pass(message, from: &server, to: &client, mask: nil)
                }
            }
        }
    }

    private static let noise: Bytes = {
        var random = SeededGenerator(12)
        return Bytes((0..<70_000).map { _ in UInt8(truncatingIfNeeded: random.next()) })
    }()

    private static func json(_ size: Int, _ round: Int) -> String {
        var text = ""
        while text.utf8.count < size { text += "{\"id\": \(text.utf8.count + round), \"μ\": 1}," }
        return text
    }

    private static func pass(
        _ message: WebSocketMessage, from sender: inout WebSocketMachine,
        to receiver: inout WebSocketMachine, mask: UInt32?
    ) throws {
        var outgoing = sender.start(message)
        #expect(outgoing.isCompressed)
        var events: [WebSocketMachine.Event] = []
        while !outgoing.isDone {
            for piece in outgoing.nextFrame(mask: mask).array.chunked(1000) {
                receiver.bytesReceived(Bytes(piece))
                while let event = try receiver.nextEvent() { events.append(event) }
            }
        }
        #expect(events == [.message(message)])
    }

    @Test func case13_fragmentsOfACompressedMessage() throws {
        let limits = WebSocketMachine.Limits(frame: 1 << 20, message: 1 << 20, sentFrame: 10)
        var client = WebSocketMachine(.client, limits: limits, agreement: .init())
        var message = client.start(.text(Self.json(1000, 0)))
        var bytes: [UInt8] = []
        var frames = 0
        while !message.isDone {
            let frame = message.nextFrame(mask: 0).array
            // Only the first frame has the bit (RFC 7692, section 6.1).
            #expect((frame[0] & 0x40 != 0) == (frames == 0))
            bytes += frame
            frames += 1
        }
        #expect(frames > 3)
        let (played, others) = playEverywhere(bytes, role: .server, agreement: .init())
        #expect(others == 0)
        #expect(played.messages == [.text(Self.json(1000, 0))])
    }

    @Test func shortMessagesAreSentAsTheyAre() {
        var agreement = DeflateAgreement()
        agreement.minimumLength = 10
        var client = WebSocketMachine(.client, limits: .test, agreement: agreement)
        #expect(!client.start(.text("123456789")).isCompressed)
        #expect(client.start(.text("1234567890")).isCompressed)
    }

    @Test func aWindowOf8BitsIsNotUsedForSending() {
        var agreement = DeflateAgreement()
        agreement.clientWindowBits = 8
        var client = WebSocketMachine(.client, limits: .test, agreement: agreement)
        #expect(!client.start(.text("1234567890")).isCompressed)
    }

    /// What follows a message that was not sent does not refer to it.
    @Test func anAbandonedMessageLeavesNoTrace() throws {
        var client = WebSocketMachine(.client, limits: .test, agreement: .init())
        var server = WebSocketMachine(.server, limits: .test, agreement: .init())
        let text = WebSocketMessage.text(Self.json(1000, 0))
        try Self.pass(text, from: &client, to: &server, mask: 1)
        _ = client.start(.text(Self.json(1000, 7)))
        client.messageAbandoned()
        try Self.pass(.text(Self.json(1000, 7)), from: &client, to: &server, mask: 1)
    }

    // MARK: Faults

    @Test(
        arguments: [
            [0xFF, 0xFF, 0xFF], [0x07], [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x06, 0xFF, 0xFF],
        ] as [[UInt8]])
    func malformedDataIsRefused(payload: [UInt8]) {
        let (played, others) = playEverywhere(
            wire(1, payload, reserved: 4), agreement: .init())
        #expect(others == 0)
        #expect(played.fault?.code == .invalidPayload)
        #expect(played.events.isEmpty)
    }

    @Test func aCompressedFrameNeedsTheExtensionAndAFirstFrame() {
        let hello: [UInt8] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]
        #expect(playEverywhere(wire(1, hello, reserved: 4)).0.fault?.code == .protocolError)
        let inContinuation = wire(1, "a", fin: false) + wire(0, hello, reserved: 4)
        #expect(playEverywhere(inContinuation, agreement: .init()).0.fault?.code == .protocolError)
        let ping = wire(9, hello, reserved: 4)
        #expect(playEverywhere(ping, agreement: .init()).0.fault?.code == .protocolError)
    }

    @Test func aReferenceBeforeTheWindowIsRefusedWithoutContext() {
        var agreement = DeflateAgreement()
        agreement.serverContextTakeover = false
        let (played, others) = playEverywhere(
            wire(1, [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], reserved: 4)
                + wire(1, [0xf2, 0x00, 0x11, 0x00, 0x00], reserved: 4), agreement: agreement)
        #expect(others == 0)
        #expect(played.messages == [.text("Hello")])
        #expect(played.fault?.code == .invalidPayload)
    }

    @Test func invalidTextIsFoundAfterDecompression() throws {
        let deflater = try Deflater(.raw)
        let step = try deflater.deflate(Bytes([0x41, 0xC0, 0xAF]), flush: .sync)
        let (played, others) = playEverywhere(
            wire(1, Array(step.output.dropLast(4)), reserved: 4), agreement: .init())
        #expect(others == 0)
        #expect(played.fault?.code == .invalidPayload)
    }

    /// The limit of a message is that of its decompressed bytes: at it, and one beyond.
    @Test(arguments: [1_048_576, 1_048_577]) func aBombEndsAtTheLimit(count: Int) throws {
        let deflater = try Deflater(.raw, level: 9)
        var payload: [UInt8] = []
        var rest = Bytes([UInt8](repeating: 0, count: count))
        while true {
            let step = try deflater.deflate(rest, flush: .sync)
            payload += step.output
            rest = rest.dropFirst(step.consumed)
            guard step.next == .again else { break }
        }
        payload.removeLast(4)
        #expect(payload.count < 2000)
        let played = play([wire(2, payload, reserved: 4)], agreement: .init())
        if count == 1_048_576 {
            #expect(played.messages == [.binary(Bytes([UInt8](repeating: 0, count: count)))])
        } else {
            #expect(played.fault?.code == .messageTooBig)
        }
    }
}
