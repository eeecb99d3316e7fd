import Apus
import ApusWebSocket
import Testing

/// Control frames, reserved bits, opcodes and Closes, by the numbers of Autobahn's cases; each
/// played whole, byte by byte and at every split.
@Suite struct WebSocketMachineTests {
    // MARK: 1, framing

    @Test(arguments: [0, 125, 126, 127, 128, 65_535, 65_536])
    func case1_messagesOfEveryForm(count: Int) {
        let text = String(repeating: "*", count: count)
        let bytes = [UInt8](repeating: 0xFE, count: count)
        let limits = WebSocketMachine.Limits.test
        for pieces in [
            [wire(1, text) + wire(2, bytes)], (wire(1, text) + wire(2, bytes)).chunked(997),
        ] {
            let played = play(pieces, limits: limits)
            #expect(played.messages == [.text(text), .binary(Bytes(bytes))])
            #expect(played.fault == nil)
        }
    }

    // MARK: 2, pings and pongs

    @Test(arguments: [0, 1, 125]) func case2_aPingIsAnsweredWithItsPayload(count: Int) {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let (played, others) = playEverywhere(wire(9, payload))
        #expect(others == 0)
        #expect(played == Played(due: due(10, payload)))
    }

    @Test func case2_5_aLongPingIsRefused() {
        let frame: [UInt8] = [0x89, 126, 0, 126] + [UInt8](repeating: 0, count: 126)
        let (played, others) = playEverywhere(frame)
        #expect(others == 0)
        #expect(played.fault?.code == .protocolError)
    }

    @Test func case2_7_unsolicitedPongsAreIgnored() {
        let (played, others) = playEverywhere(wire(10) + wire(10, "x") + wire(9, "y"))
        #expect(others == 0)
        #expect(played == Played(due: due(10, Array("y".utf8))))
    }

    @Test func case2_10_ofManyPingsTheLastIsAnswered() {
        var bytes: [UInt8] = []
        for number in UInt8(0)..<100 { bytes += wire(9, [number]) }
        #expect(play([bytes]) == Played(due: due(10, [99])))
    }

    // MARK: 3, reserved bits

    @Test(arguments: 1...7 as ClosedRange<UInt8>, [1, 2, 8, 9, 10] as [UInt8])
    func case3_reservedBitsAreRefused(bits: UInt8, opcode: UInt8) {
        let payload: [UInt8] = opcode == 8 ? [3, 0xE8] : [0x41]
        let (played, others) = playEverywhere(
            wire(1, "first") + wire(opcode, payload, reserved: bits) + wire(1, "never"))
        #expect(others == 0)
        #expect(played.messages == [.text("first")])
        #expect(played.fault?.code == .protocolError)
        #expect(Array(played.due.dropFirst(6).prefix(2)) == [3, 0xEA])
    }

    // MARK: 4, opcodes

    @Test(arguments: [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] as [UInt8], ["", "payload"])
    func case4_reservedOpcodesAreRefused(opcode: UInt8, payload: String) {
        let (played, others) = playEverywhere(wire(opcode, payload) + wire(9))
        #expect(others == 0)
        #expect(played.events.isEmpty)
        #expect(played.fault?.code == .protocolError)
    }

    // MARK: 7, closing

    @Test func case7_1_nothingAfterACloseCounts() {
        let (played, others) = playEverywhere(
            wire(1, "a") + closeFrame(1000) + wire(1, "b") + wire(9) + closeFrame(1001)
                + [0xFF, 0xFF])
        #expect(others == 0)
        #expect(played.events == [.message(.text("a")), .closed(WebSocketClose(.normal))])
        #expect(played.due == due(8, [3, 0xE8]))
    }

    @Test func case7_3_theFormsOfAClose() {
        let reason = String(repeating: "*", count: 123)
        for (frame, close, reply) in [
            (closeFrame(nil), WebSocketClose(.noStatus), due(8)),
            (closeFrame(1000), WebSocketClose(.normal), due(8, [3, 0xE8])),
            (
                closeFrame(1000, Array("ok".utf8)), WebSocketClose(.normal, reason: "ok"),
                due(8, [3, 0xE8])
            ),
            (
                closeFrame(1000, Array(reason.utf8)), WebSocketClose(.normal, reason: reason),
                due(8, [3, 0xE8])
            ),
        ] {
            let (played, others) = playEverywhere(frame)
            #expect(others == 0)
            #expect(played == Played(events: [.closed(close)], due: reply))
        }
        // 7.3.2: one byte; 7.3.6: more than a control frame carries.
        #expect(playEverywhere(wire(8, [3])).0.fault?.code == .protocolError)
        let long: [UInt8] = [0x88, 126, 0, 126] + [UInt8](repeating: 0x2A, count: 126)
        #expect(playEverywhere(long).0.fault?.code == .protocolError)
    }

    @Test func case7_5_theReasonIsUTF8() {
        let (played, others) = playEverywhere(closeFrame(1000, [0xCE, 0xBA, 0xED, 0xA0, 0x80]))
        #expect(others == 0)
        #expect(played.fault?.code == .invalidPayload)
    }

    @Test(
        arguments: [
            1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
            4000,
            4999,
        ] as [UInt16])
    func case7_7_validCodes(code: UInt16) {
        let played = playEverywhere(closeFrame(code)).0
        #expect(played.close?.code.rawValue == code)
        #expect(played.due == due(8, [UInt8(code >> 8), UInt8(code & 0xFF)]))
    }

    @Test(
        arguments: [
            0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
        ] as [UInt16])
    func case7_9_invalidCodes(code: UInt16) {
        let played = playEverywhere(closeFrame(code)).0
        #expect(played.fault?.code == .protocolError)
        #expect(played.events.isEmpty)
    }

    // MARK: Masks

    @Test func eachSideInsistsOnTheMaskOfTheOther() {
        let masked = wire(1, Array("a".utf8), mask: [1, 2, 3, 4])
        let (server, others) = playEverywhere(masked, role: .server)
        #expect(others == 0)
        #expect(server.messages == [.text("a")])
        #expect(playEverywhere(masked).0.fault?.code == .protocolError)
        #expect(playEverywhere(wire(1, "a"), role: .server).0.fault?.code == .protocolError)
    }

    // MARK: Sending

    @Test func aPingIsSentOnceUntilItHasLeft() {
        var machine = WebSocketMachine(.client, limits: .test)
        #expect(!machine.hasControl)
        machine.sendPing()
        machine.sendPing()
        #expect(machine.hasControl)
        #expect(machine.nextControl(mask: 0)?.array == due(9))
        #expect(machine.nextControl(mask: 0) == nil)
    }

    @Test func ourCloseEndsSendingAndNotReceiving() throws {
        var machine = WebSocketMachine(.client, limits: .test)
        machine.startClosing(WebSocketClose(.goingAway, reason: "bye"))
        machine.startClosing(WebSocketClose(.normal))
        #expect(!machine.isOpen)
        // Not within a message.
        #expect(machine.nextControl(mask: 0, mayClose: false) == nil)
        #expect(machine.nextControl(mask: 0)?.array == due(8, [3, 0xE9] + Array("bye".utf8)))
        machine.sendPing()
        #expect(!machine.hasControl)
        machine.bytesReceived(Bytes(wire(1, "late") + wire(9, "p") + closeFrame(1001)))
        #expect(try machine.nextEvent() == .message(.text("late")))
        #expect(try machine.nextEvent() == .closed(WebSocketClose(.goingAway)))
        #expect(try machine.nextEvent() == nil)
        #expect(machine.nextControl(mask: 0) == nil)
    }

    @Test func aFaultAfterOurCloseSendsNoOther() {
        var machine = WebSocketMachine(.client, limits: .test)
        machine.startClosing(WebSocketClose(.normal))
        #expect(machine.nextControl(mask: 0) != nil)
        machine.bytesReceived(Bytes([0x83, 0]))
        for _ in 0..<2 {
            #expect(throws: WebSocketFault.self) { try machine.nextEvent() }
        }
        #expect(!machine.hasControl)
    }

    @Test func clientAndServerUnderstandEachOther() throws {
        var client = WebSocketMachine(.client, limits: .test)
        var server = WebSocketMachine(.server, limits: .test)
        var message = client.start(.text("κόσμε"))
        server.bytesReceived(message.nextFrame(mask: 0xDEAD_BEEF))
        #expect(try server.nextEvent() == .message(.text("κόσμε")))
        #expect(try server.nextEvent() == nil)
        var answer = server.start(.binary(Bytes([1, 2, 3])))
        client.bytesReceived(answer.nextFrame(mask: nil))
        #expect(try client.nextEvent() == .message(.binary(Bytes([1, 2, 3]))))
    }
}

extension [UInt8] {
    /// The bytes in pieces of so many.
    func chunked(_ count: Int) -> [[UInt8]] {
        stride(from: 0, to: self.count, by: count).map {
            Array(self[$0..<Swift.min($0 + count, self.count)])
        }
    }
}
