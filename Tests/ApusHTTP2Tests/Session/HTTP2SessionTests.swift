import ApusCore
import ApusHTTP2
import HTTPTypes
import Testing

@Suite struct HTTP2SessionTests {
    @Test func theFirstFlightIsPrefaceSettingsAndTheFirstRequest() throws {
        var tuning = EngineTuning.HTTP2()
        tuning.streamWindow = 300_000
        tuning.connectionWindow = 1_000_000
        let session = try HTTP2Session(tuning, limits: .init())
        _ = try session.submit(
            HTTPRequest(method: .get, scheme: "https", authority: "a", path: "/"), hasBody: false)
        var output: [UInt8] = []
        #expect(try !session.nextOutput(into: &output, limit: 1 << 20))
        #expect(output.starts(with: Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)))
        let frames = Wire.frames(Array(output.dropFirst(24)))
        #expect(
            frames.map(\.description)
                == ["SETTINGS", "WINDOW 0 \(1_000_000 - 65_535)", "HEADERS 1 end"])
        #expect(
            frames[0].payload
                == [0, 2, 0, 0, 0, 0] + [0, 4] + Wire.word(300_000) + [0, 6] + Wire.word(65_536))
    }

    @Test func aHundredStreamsAreAssumedUntilThePeersSettings() throws {
        let harness = try Harness(settings: nil)
        #expect(harness.session.maxStreams == 100)
        #expect(!harness.session.hasPeerSettings)
        harness.receive(Wire.settings([(3, 7)]))
        #expect(harness.session.maxStreams == 7)
        #expect(harness.session.hasPeerSettings)
        #expect(harness.takeLog() == ["settings 7"])
        harness.receive(Wire.settings([(3, 0xFFFF_FFFF)]))
        #expect(harness.session.maxStreams == 100)
        harness.receive(Wire.settings([(3, 0xFFFF_FFFF)]))
        #expect(harness.takeLog() == ["settings 100"])
        #expect(harness.takeSent().suffix(3) == ["SETTINGS ack", "SETTINGS ack", "SETTINGS ack"])
    }

    @Test(
        arguments: [
            (nil, ["connectionLost", "connectionLost"]),
            (99, ["connectionLost", "connectionLost"]),
            // The second request was framed when 100 bytes were taken, and none since.
            (100, ["connectionLost", "notSent"]),
        ] as [(UInt64?, [String])])
    func aRequestOfWhichNoByteWasTakenWasNeverSent(_ taken: UInt64?, _ ends: [String]) throws {
        let harness = try Harness()
        harness.session.takenBytes = 50
        try harness.request()
        harness.session.takenBytes = 100
        try harness.request()
        #expect(harness.session.isSent(1) && harness.session.isSent(3))
        harness.session.streamEnded(taken: taken)
        harness.takeEvents()
        #expect(
            harness.takeLog()
                == ["failed 1 \(ends[0])", "closed 1", "failed 3 \(ends[1])", "closed 3"])
    }

    @Test func aBodyMayFollowOnceItsRequestHasLeft() throws {
        let harness = try Harness(settings: [(3, 0)])
        try harness.request(hasBody: true)
        let dropped = try harness.request(hasBody: true)
        try harness.request(hasBody: true)
        try harness.request()
        #expect(harness.requestsSent == [])
        harness.session.reset(dropped, code: 8)
        harness.receive(Wire.settings([(3, 10)]))
        #expect(harness.takeSent().suffix(3) == ["HEADERS 1", "HEADERS 5", "HEADERS 7 end"])
        #expect(harness.requestsSent == [1, 5])
        harness.session.send(Bytes("x"), endOfBody: false, on: 1)
        harness.pump()
        try harness.session.finish(trailers: [.eTag: "x"], on: 1)
        harness.pump()
        #expect(harness.requestsSent == [1, 5])
    }

    @Test func aResetStreamIsQuietButForItsEnd() throws {
        let harness = try Harness()
        try harness.request()
        try harness.request()
        harness.receive(Wire.head(1))
        _ = harness.takeLog()
        _ = harness.takeSent()
        harness.session.reset(1, code: 8)
        harness.receive(Wire.data(1, "late"), pumps: false)
        harness.pump()
        harness.receive(Wire.data(1, "later", end: true) + Wire.head(3, end: true))
        #expect(harness.takeSent() == ["RST 1 8"])
        #expect(harness.takeLog() == ["closed 1", "head 3 200 end", "end 3", "closed 3"])
        harness.session.reset(1, code: 8)
        harness.session.reset(99, code: 8)
        harness.pump()
        #expect(harness.takeSent().isEmpty)
    }

    @Test func aStreamResetBeforeItWasSentIsNeverSent() throws {
        let harness = try Harness(settings: [(3, 1)])
        try harness.request()
        let waiting = try harness.request()
        harness.session.reset(waiting, code: 8)
        harness.takeEvents()
        #expect(harness.takeLog() == ["closed 3"])
        #expect(harness.session.openStreams == 1)
        harness.receive(Wire.head(1, end: true))
        #expect(harness.takeSent() == ["HEADERS 1 end"])
        #expect(harness.takeLog() == ["head 1 200 end", "end 1", "closed 1"])
        try harness.request()
        #expect(harness.takeSent() == ["HEADERS 5 end"])
    }

    @Test("2.1 outbound queue growth: our own resets")
    func cancelledRequestsAreBoundedWhileThePeerReadsNothing() throws {
        let harness = try Harness()
        var opened = 0
        while harness.session.failure == nil, opened < 10_000 {
            let stream = try harness.session.submit(
                HTTPRequest(method: .get, scheme: "https", authority: "a", path: "/"),
                hasBody: false)
            opened += 1
            harness.session.reset(stream, code: 8)
            harness.takeEvents()
        }
        #expect(harness.session.failure?.kind == .abuse(.unreadFrames))
        #expect((4096...4100).contains(opened))
        #expect(harness.session.openStreams == 0)
        harness.pump()
        #expect(harness.takeSent().last == "GOAWAY 11")
    }

    @Test func windowsOfResetStreamsComeBack() throws {
        let harness = try Harness()
        try harness.request()
        harness.receive(Wire.head(1))
        harness.session.reset(1, code: 8)
        _ = harness.takeSent()
        let block = String(repeating: "x", count: 16_384)
        for _ in 0..<600 { harness.receive(Wire.data(1, block)) }
        let credited = harness.sent.filter { $0.type == 8 && $0.stream == 0 }
            .reduce(0) { $0 + Int($1.number()) }
        #expect(credited >= 8 * 1024 * 1024)
        #expect(harness.error == nil)
        #expect(harness.takeLog().filter { $0.hasPrefix("body") }.isEmpty)
    }

    @Test func shuttingDownLetsOpenStreamsEnd() throws {
        let harness = try Harness()
        try harness.request()
        harness.session.shutDown()
        harness.session.shutDown()
        harness.pump()
        #expect(harness.takeSent() == ["HEADERS 1 end", "GOAWAY 0"])
        #expect(harness.session.isDraining)
        let error = #expect(throws: HTTP2Error.self) { try harness.request() }
        #expect(error?.kind == .closing)
        harness.receive(Wire.head(1) + Wire.data(1, "x", end: true))
        #expect(harness.takeLog() == ["head 1 200", "body 1 x", "end 1", "closed 1"])
        #expect(harness.error == nil)
    }

    @Test func endingWithACodeFailsWhatIsOpen() throws {
        let harness = try Harness(settings: [(3, 1)])
        try harness.request()
        try harness.request()
        _ = harness.takeSent()
        harness.session.goAway(code: 2)
        harness.session.goAway(code: 3)
        harness.pump()
        #expect(harness.takeSent() == ["GOAWAY 2"])
        #expect(
            harness.takeLog()
                == ["failed 1 connectionLost", "closed 1", "failed 3 notSent", "closed 3"])
        #expect(harness.session.failure?.kind == .ended(code: 2))
        harness.receive(Wire.head(1, end: true))
        #expect(harness.takeLog().isEmpty)
        #expect(!harness.session.wantsOutput)
    }

    @Test func numbersRunOut() throws {
        let harness = try Harness()
        harness.session.skipStreamIDs(to: 0x7FFF_FFFD)
        #expect(try harness.request() == 0x7FFF_FFFD)
        #expect(!harness.session.isDraining)
        #expect(try harness.request() == 0x7FFF_FFFF)
        #expect(harness.session.isDraining)
        let error = #expect(throws: HTTP2Error.self) { try harness.request() }
        #expect(error?.kind == .streamsExhausted)
        harness.receive(Wire.head(0x7FFF_FFFF, end: true))
        #expect(harness.takeLog().last == "closed 2147483647")
    }

    @Test func theEndOfTheBytesReportsTheOutcomeOfEachStream() throws {
        let harness = try Harness(settings: [(3, 3)])
        try harness.request()
        let upload = try harness.request(hasBody: true)
        try harness.request()
        try harness.request()
        harness.receive(Wire.head(1) + Wire.data(1, "x") + Wire.head(upload, end: true))
        _ = harness.takeLog()
        harness.session.streamEnded()
        harness.session.streamEnded()
        harness.pump()
        #expect(
            harness.takeLog() == [
                "failed 1 connectionLost", "closed 1", "closed 3", "failed 5 connectionLost",
                "closed 5", "failed 7 notSent", "closed 7",
            ])
        #expect(harness.session.isDraining)
        #expect(!harness.session.wantsOutput)
    }
}
