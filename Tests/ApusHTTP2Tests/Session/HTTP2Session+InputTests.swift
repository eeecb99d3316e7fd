import ApusCore
import ApusHTTP2
import HTTPTypes
import Testing

@Suite struct HTTP2SessionInputTests {
    @Test(arguments: [Int.max, 1])
    func anHTTP1AnswerIsNamedAsSuch(step: Int) throws {
        let harness = try Harness(settings: nil)
        try harness.request()
        harness.receive(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), step: step)
        #expect(harness.error?.kind == .protocolViolation(code: 1))
        #expect(harness.error?.message == "the peer speaks HTTP/1")
        #expect(harness.takeLog() == ["failed 1 connectionLost", "closed 1"])
        #expect(harness.takeSent().last == "GOAWAY 1")
    }

    @Test(arguments: [
        [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46, 0, 0, 0, 0], Wire.ping(), Wire.settingsAck,
        Wire.head(1), [UInt8](repeating: 0xFF, count: 40), [UInt8](repeating: 0, count: 40),
    ])
    func anythingButSettingsFirstIsTheEnd(_ bytes: [UInt8]) throws {
        let harness = try Harness(settings: nil)
        try harness.request()
        harness.receive(bytes)
        guard case .protocolViolation = harness.error?.kind else {
            Issue.record("\(String(describing: harness.error))")
            return
        }
        #expect(harness.takeLog() == ["failed 1 connectionLost", "closed 1"])
    }

    @Test func aFailedSessionStaysFailed() throws {
        let harness = try Harness()
        try harness.request()
        harness.receive(Wire.data(0, "x"))
        let first = harness.error
        #expect(harness.session.failure == first)
        harness.receive(Wire.head(1, end: true))
        #expect(harness.error == first)
        let error = #expect(throws: HTTP2Error.self) { try harness.request() }
        #expect(error?.kind == .closing)
        harness.session.reset(1, code: 8)
        harness.session.ping()
        harness.session.shutDown()
        harness.session.send(Bytes("x"), endOfBody: true, on: 1)
        harness.session.consumed(1, on: 1)
        harness.session.goAway(code: 0)
        harness.session.streamEnded()
        harness.pump()
        #expect(harness.takeSent().suffix(1) == ["GOAWAY 1"])
    }

    @Test func aViolationWhileDrainingIsStillSeen() throws {
        let harness = try Harness()
        try harness.request()
        harness.receive(Wire.goAway(1))
        _ = harness.takeLog()
        harness.receive(Wire.data(0, "x"))
        #expect(harness.error?.kind == .protocolViolation(code: 1))
        #expect(harness.takeLog() == ["failed 1 connectionLost", "closed 1"])
    }

    @Test func bytesAfterTheEndAreIgnored() throws {
        let harness = try Harness()
        try harness.request()
        harness.session.streamEnded()
        harness.receive(Wire.head(1, end: true))
        #expect(harness.takeLog() == ["failed 1 connectionLost", "closed 1"])
    }

    @Test("2.1 push promise") func pushesBeforeTheAcknowledgementAreRefusedAndFew() throws {
        let harness = try Harness(settings: nil)
        try harness.request()
        harness.receive(Wire.settings())
        _ = harness.takeSent()
        func push(_ promised: UInt32) -> [UInt8] {
            let block = Wire.block([
                (":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/"),
            ])
            return Wire.frame(5, flags: 4, stream: 1, Wire.word(promised) + block)
        }
        for number: UInt32 in 1...16 { harness.receive(push(number * 2)) }
        #expect(harness.takeSent() == (1...16).map { "RST \($0 * 2) 8" })
        #expect(harness.error == nil)
        harness.receive(push(34))
        #expect(harness.error?.kind == .abuse(.pushes))
    }

    @Test func changedSettingsAreAppliedAndAcknowledgedOnce() throws {
        let harness = try Harness()
        #expect(harness.session.areSettingsAcknowledged)
        try harness.request()
        _ = harness.takeSent()
        // The smallest and largest table sizes, larger frames, and an unknown setting.
        for entry: (UInt16, UInt32) in [
            (1, 0), (1, 0xFFFF_FFFF), (5, 0xFF_FFFF), (6, 1 << 20), (0xABCD, 1),
        ] {
            harness.receive(Wire.settings([entry]))
            try harness.request()
        }
        #expect(harness.takeSent().filter { $0 == "SETTINGS ack" }.count == 5)
        harness.receive(Wire.head(1, end: true) + Wire.head(11, end: true))
        #expect(harness.takeLog().filter { $0.hasPrefix("end") } == ["end 1", "end 11"])
        #expect(harness.error == nil)
    }

    @Test("2.1 assertion or trap") func everyFrameTypeOnEveryStreamIsSurvived() throws {
        for type in 0...255 {
            for stream: Int32 in [0, 1, 2, 3, 5] {
                for length in [0, 1, 4, 5, 6, 8, 9] {
                    let harness = try Harness()
                    try harness.request()
                    let payload = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37) }
                    for flags: UInt8 in [0, 1, 4, 0xFF] {
                        harness.receive(
                            Wire.frame(UInt8(type), flags: flags, stream: stream, payload))
                    }
                    harness.session.streamEnded()
                    harness.pump()
                    #expect(harness.session.openStreams == 0)
                    #expect(harness.log.filter { $0 == "closed 1" }.count == 1)
                }
            }
        }
    }

    @Test func garbageAfterValidSettingsNeverTraps() throws {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        func random() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
        for _ in 0..<2_000 {
            let harness = try Harness()
            for _ in 0..<3 { try harness.request(hasBody: random() % 2 == 0) }
            for _ in 0..<8 {
                let payload = (0..<random() % 40).map { _ in UInt8(truncatingIfNeeded: random()) }
                harness.receive(
                    Wire.frame(
                        UInt8(random() % 11), flags: UInt8(truncatingIfNeeded: random()),
                        stream: Int32(random() % 8), payload))
                if random() % 4 == 0 { harness.session.reset(Int32(random() % 8), code: 8) }
                if random() % 4 == 0 {
                    harness.session.send(
                        Bytes("data"), endOfBody: random() % 2 == 0, on: Int32(random() % 8))
                }
                harness.session.consumed(Int(random() % 50), on: Int32(random() % 8))
            }
            harness.session.streamEnded()
            harness.pump()
            for stream in [1, 3, 5] {
                #expect(harness.log.filter { $0 == "closed \(stream)" }.count == 1)
                let outcomes = harness.log.filter {
                    $0.hasPrefix("end \(stream)") || $0.hasPrefix("failed \(stream) ")
                }
                #expect(outcomes.count <= 1)
            }
        }
    }
}
