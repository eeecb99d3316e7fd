import ApusCore
import ApusHTTP2
import HTTPTypes
import Testing

private func zeros(_ count: Int) -> Bytes { Bytes([UInt8](repeating: 0, count: count)) }

@Suite struct HTTP2SessionOutputTests {
    @Test func aBodyLeavesAndItsEndWithTheLastFrame() throws {
        let harness = try Harness()
        let stream = try harness.request(hasBody: true)
        harness.session.send(Bytes("abc"), endOfBody: false, on: stream)
        harness.session.send(Bytes("def"), endOfBody: false, on: stream)
        #expect(harness.session.queuedBytes(on: stream) == 6)
        harness.pump()
        #expect(harness.session.queuedBytes(on: stream) == 0)
        #expect(harness.takeLog() == ["drained 1"])
        harness.session.send(Bytes("ghi"), endOfBody: true, on: stream)
        harness.session.send(Bytes("after the end"), endOfBody: true, on: stream)
        harness.pump()
        #expect(harness.takeSent() == ["HEADERS 1", "DATA 1 6", "DATA 1 3 end"])
        #expect(harness.takeLog().isEmpty)
    }

    @Test func sentBodyBytesAreReported() throws {
        let harness = try Harness()
        let stream = try harness.request(hasBody: true)
        harness.session.send(zeros(100_000), endOfBody: true, on: stream)
        harness.pump()
        var reported = 0
        while let sent = harness.session.nextSentBody() {
            #expect(sent.stream == stream)
            reported += sent.count
        }
        #expect(reported == 65_535)
        harness.receive(Wire.windowUpdate(0, 1 << 20) + Wire.windowUpdate(stream, 1 << 20))
        #expect(harness.session.nextSentBody()?.count == 100_000 - 65_535)
        #expect(harness.session.nextSentBody() == nil)
    }

    @Test func anEndWithoutBytesIsAnEmptyFrame() throws {
        let harness = try Harness()
        let stream = try harness.request(hasBody: true)
        try harness.session.finish(trailers: nil, on: stream)
        harness.pump()
        #expect(harness.takeSent() == ["HEADERS 1", "DATA 1 0 end"])
    }

    @Test(arguments: ["", "body"])
    func trailersFollowTheBody(body: String) throws {
        let pair = try Pair()
        let stream = try pair.post()
        pair.client.send(Bytes(body), endOfBody: false, on: stream)
        pair.exchange()
        let name = try #require(HTTPField.Name("X-Sum"))
        try pair.client.finish(trailers: [name: "1", .connection: "close"], on: stream)
        pair.exchange()
        let request = try #require(pair.server.requests[stream])
        #expect(request.body == Array(body.utf8))
        #expect(request.trailers == ["x-sum: 1"])
        #expect(request.isComplete)
    }

    @Test func theStreamWindowHoldsAnUploadAndLetsItGoOn() throws {
        let harness = try Harness(settings: [(4, 10)])
        let stream = try harness.request(hasBody: true)
        harness.session.send(zeros(25), endOfBody: true, on: stream)
        harness.pump()
        #expect(harness.takeSent() == ["HEADERS 1", "DATA 1 10"])
        #expect(!harness.session.wantsOutput)
        harness.receive(Wire.windowUpdate(1, 5))
        #expect(harness.takeSent() == ["DATA 1 5"])
        harness.receive(Wire.settings([(4, 15)]))
        #expect(harness.takeSent() == ["SETTINGS ack", "DATA 1 5"])
        // A window below what is out already is negative and must be filled first.
        harness.receive(Wire.settings([(4, 0)]) + Wire.windowUpdate(1, 15))
        #expect(harness.takeSent() == ["SETTINGS ack"])
        harness.receive(Wire.windowUpdate(1, 5))
        #expect(harness.takeSent() == ["DATA 1 5 end"])
    }

    @Test func theConnectionWindowIsSharedByAll() throws {
        let harness = try Harness(settings: [(4, 1_000_000)])
        let first = try harness.request(hasBody: true)
        let second = try harness.request(hasBody: true)
        harness.session.send(zeros(65_535), endOfBody: true, on: first)
        harness.session.send(zeros(10), endOfBody: true, on: second)
        harness.pump()
        let sent = harness.sent.filter { $0.type == 0 }.reduce(0) { $0 + $1.payload.count }
        #expect(sent == 65_535)
        _ = harness.takeSent()
        harness.receive(Wire.windowUpdate(0, 10))
        #expect(harness.sent.reduce(0) { $0 + $1.payload.count } == 10)
        #expect(
            harness.session.queuedBytes(on: first) + harness.session.queuedBytes(on: second) == 0)
    }

    @Test func aSmallBodyDoesNotWaitForALargeOne() throws {
        let harness = try Harness(settings: [(4, 1 << 30)])
        harness.receive(Wire.windowUpdate(0, 1 << 29))
        let large = try harness.request(hasBody: true)
        harness.session.send(zeros(1 << 20), endOfBody: true, on: large)
        var output: [UInt8] = []
        #expect(try harness.session.nextOutput(into: &output, limit: 100_000))
        let small = try harness.request(hasBody: true)
        harness.session.send(zeros(100), endOfBody: true, on: small)
        _ = harness.takeSent()
        harness.pump()
        let frames = harness.sent.filter { $0.type == 0 }
        let place = try #require(frames.firstIndex { $0.stream == small })
        #expect(place <= 1)
    }

    @Test(arguments: [1, 1_000, 20_000, 100_000])
    func outputStopsAboutTheLimit(limit: Int) throws {
        let harness = try Harness(settings: [(4, 1 << 30)])
        harness.receive(Wire.windowUpdate(0, 1 << 29))
        let stream = try harness.request(hasBody: true)
        let body = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        harness.session.send(Bytes(body), endOfBody: true, on: stream)
        var received: [UInt8] = []
        var isMore = true
        while isMore {
            var output: [UInt8] = [1, 2, 3]
            isMore = try harness.session.nextOutput(into: &output, limit: limit)
            #expect(output.count - 3 < limit + 16_384 + 9)
            #expect(output.starts(with: [1, 2, 3]))
            for frame in Wire.frames(Array(output.dropFirst(3))) { received += frame.payload }
        }
        #expect(received == body)
    }

    @Test(arguments: [16_385, 33_000, 1 << 20])
    func aLongBodyLeavesFromItsOwnBytes(maxFrame: Int) throws {
        let harness = try Harness(settings: [(4, 1 << 30), (5, UInt32(maxFrame))])
        harness.receive(Wire.windowUpdate(0, 1 << 29))
        let stream = try harness.request(hasBody: true)
        let body = Bytes((0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        harness.session.send(body, endOfBody: true, on: stream)
        // The place of each piece in the body, which distinguishes a slice from a copy.
        var places: [Range<Int>] = []
        var framing = 0
        let start = body.withSpan { address(of: $0) }
        var isMore = true
        while isMore {
            var output = OutgoingBytes()
            isMore = try harness.session.nextOutput(into: &output, limit: 64 * 1024)
            output.forEachPiece { piece in
                let place = address(of: piece) - start
                guard body.indices.contains(place) else { return framing += piece.byteCount }
                places.append(place..<place + piece.byteCount)
            }
        }
        let frame = min(maxFrame, HTTP2Session.maxDataFrame)
        let whole = body.count / frame
        #expect(places == (0..<whole).map { $0 * frame..<($0 + 1) * frame })
        // The rest is too short to be sent apart from its frame's header.
        let rest = body.count - whole * frame
        #expect(rest > 0 && rest <= OutgoingBytes.maxCopied)
        #expect(framing == rest + 9 * (whole + 1))
    }

    private func address(of span: RawSpan) -> Int {
        span.withUnsafeBytes { Int(bitPattern: $0.baseAddress) }
    }

    @Test("2.1 outbound queue growth", arguments: [true, false])
    func aBodyStaysWhereItIsUntilOutputIsAskedFor(isGoAwayReceived: Bool) throws {
        let harness = try Harness(settings: [(4, 1 << 30)])
        harness.receive(Wire.windowUpdate(0, 1 << 29))
        if !isGoAwayReceived { harness.session.skipStreamIDs(to: .max) }
        let stream = try harness.request(hasBody: true)
        if isGoAwayReceived { harness.receive(Wire.goAway(.max)) }
        #expect(harness.session.isDraining)
        harness.session.send(zeros(8 << 20), endOfBody: true, on: stream)
        _ = harness.takeSent()
        for _ in 0..<1_000 { harness.receive(Wire.windowUpdate(stream, 1), pumps: false) }
        #expect(harness.session.load.answerBytes == 0)
        #expect(harness.session.queuedBytes(on: stream) == 8 << 20)
        // Answers are taken out, and no more of them than elsewhere.
        for _ in 0..<4_500 { harness.receive(Wire.ping(), pumps: false) }
        #expect(harness.error == nil)
        #expect(harness.session.load.answerBytes <= 64 * 1024 + 17)
        #expect(harness.session.queuedBytes(on: stream) == 8 << 20)
        harness.pump()
        #expect(harness.sent.reduce(0) { $0 + ($1.type == 0 ? $1.payload.count : 0) } == 8 << 20)
        #expect(harness.sent.count { $0.type == 6 } == 4_500)
        #expect(harness.session.queuedBytes(on: stream) == 0)
    }

    @Test func aViolationIsSeenThoughNoOutputIsTaken() throws {
        let harness = try Harness(settings: [(4, 1 << 30)])
        harness.receive(Wire.windowUpdate(0, 1 << 29))
        let stream = try harness.request(hasBody: true)
        harness.receive(Wire.goAway(stream))
        harness.session.send(zeros(8 << 20), endOfBody: true, on: stream)
        harness.receive(Wire.data(0, "x"), pumps: false)
        #expect(harness.error?.kind == .protocolViolation(code: 1))
        #expect(harness.session.load.answerBytes < 100)
    }

    @Test func manySlicesArriveInOrder() throws {
        let pair = try Pair(settings: [(4, 1 << 20)])
        let stream = try pair.post()
        var expected: [UInt8] = []
        for count in 0..<500 {
            let slice = [UInt8](repeating: UInt8(truncatingIfNeeded: count), count: count)
            expected += slice
            pair.client.send(Bytes(slice), endOfBody: count == 499, on: stream)
        }
        pair.exchange()
        #expect(pair.server.requests[stream]?.body == expected)
        #expect(pair.server.requests[stream]?.isComplete == true)
    }

    @Test func aCompleteAnswerDuringAnUploadIsNoFailure() throws {
        let harness = try Harness()
        let stream = try harness.request(hasBody: true)
        harness.session.send(zeros(100_000), endOfBody: false, on: stream)
        harness.pump()
        _ = harness.takeSent()
        harness.receive(
            Wire.head(1, "413") + Wire.data(1, "no", end: true) + Wire.reset(1, 0))
        #expect(harness.takeLog() == ["head 1 413", "body 1 no", "end 1", "closed 1"])
        harness.receive(Wire.windowUpdate(0, 100_000))
        #expect(harness.takeSent().isEmpty)
        harness.session.send(zeros(10), endOfBody: true, on: stream)
        #expect(harness.session.queuedBytes(on: stream) == 0)
        #expect(!harness.session.wantsOutput)
    }

    @Test(arguments: [true, false])
    func theEndOfADuplexIsReportedAfterThePeersUnlessOursCameFirst(isDone: Bool) throws {
        let harness = try Harness()
        let stream = try harness.session.submit(
            HTTPRequest(method: .connect, scheme: nil, authority: "a:1", path: nil), hasBody: true)
        harness.pump()
        harness.receive(Wire.head(1) + Wire.data(1, "x", end: true))
        #expect(harness.takeLog() == ["head 1 200", "body 1 x", "end 1"])
        if isDone {
            harness.session.send(Bytes("y"), endOfBody: true, on: stream)
            harness.pump()
            #expect(harness.takeLog() == ["closed 1"])
        } else {
            harness.receive(Wire.reset(1, 8))
            #expect(harness.takeLog() == ["failed 1 reset(code: 8)", "closed 1"])
        }
        harness.session.streamEnded()
        harness.takeEvents()
        #expect(harness.takeLog().isEmpty)
    }

    @Test func anUploadContinuesAfterACompleteAnswerUntilItIsReset() throws {
        let harness = try Harness()
        let stream = try harness.request(hasBody: true)
        harness.receive(Wire.head(1, end: true))
        #expect(harness.takeLog() == ["head 1 200 end", "end 1"])
        harness.session.send(zeros(10), endOfBody: false, on: stream)
        harness.pump()
        #expect(harness.takeSent() == ["HEADERS 1", "DATA 1 10"])
        harness.session.reset(stream, code: 0)
        harness.pump()
        #expect(harness.takeSent() == ["RST 1 0"])
        #expect(harness.takeLog() == ["drained 1", "closed 1"])
    }

    @Test func theEndOfTheUploadClosesAnAnsweredStream() throws {
        let harness = try Harness()
        let stream = try harness.request(hasBody: true)
        harness.receive(Wire.head(1, end: true))
        harness.session.send(zeros(10), endOfBody: true, on: stream)
        harness.pump()
        #expect(harness.takeLog() == ["head 1 200 end", "end 1", "closed 1"])
        #expect(harness.session.openStreams == 0)
    }

    @Test func dataAfterTheEndIsTheConnectionsEnd() throws {
        let harness = try Harness()
        try harness.request(hasBody: true)
        harness.receive(Wire.head(1, end: true) + Wire.data(1, "x"))
        #expect(harness.error?.kind == .protocolViolation(code: 5))
        #expect(harness.takeLog() == ["head 1 200 end", "end 1", "closed 1"])
    }

    @Test("2.1 rapid reset: our own cancels are asked about, and counted until answered")
    func resetsAreUnconfirmedUntilALaterPingIsAnswered() throws {
        let harness = try Harness()
        func reset(_ count: Int) throws {
            for _ in 0..<count { harness.session.reset(try harness.request(), code: 8) }
            harness.pump()
        }
        func pings() -> Int { harness.takeSent().count { $0 == "PING" } }
        try reset(99)
        #expect(pings() == 0)
        // The PING is asked for when the reset leaves, and follows it.
        try reset(1)
        #expect(pings() == 1)
        try reset(100)
        #expect(!harness.session.hasManyUnconfirmedResets)
        try reset(1)
        #expect(harness.session.hasManyUnconfirmedResets)
        #expect(pings() == 0)
        // An answer to what was never asked confirms nothing.
        harness.receive(Wire.ping(9, ack: true))
        #expect(harness.session.hasManyUnconfirmedResets)
        // It confirms what went out before it, and the next is asked for what is left.
        harness.receive(Wire.ping(1, ack: true))
        #expect(!harness.session.hasManyUnconfirmedResets)
        #expect(pings() == 1)
        harness.receive(Wire.ping(2, ack: true))
        #expect(pings() == 0)
        try reset(99)
        #expect(pings() == 0)
        #expect(harness.error == nil)
    }

    @Test func aResetUploadLetsGoOfItsBytes() throws {
        let harness = try Harness(settings: [(4, 10)])
        let stream = try harness.request(hasBody: true)
        harness.session.send(zeros(1_000), endOfBody: false, on: stream)
        harness.pump()
        harness.session.reset(stream, code: 8)
        #expect(harness.session.queuedBytes(on: stream) == 0)
        harness.receive(Wire.windowUpdate(1, 1_000))
        #expect(harness.takeSent() == ["HEADERS 1", "DATA 1 10", "RST 1 8"])
        #expect(harness.takeLog() == ["closed 1"])
    }

    // MARK: Ends without bytes

    /// What a peer's windows are when a body of no more bytes ends.
    enum ClosedWindow: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case ofTheStream, ofTheConnection, loweredToZero, belowZero, beforeTheHead

        var testDescription: String { rawValue }
    }

    /// A stream whose window is 0 or less, with nothing of its body left to send.
    private func blocked(_ window: ClosedWindow) throws -> (Harness, HTTP2StreamID) {
        let isZero = window == .ofTheStream || window == .beforeTheHead
        let settings: [(UInt16, UInt32)] = isZero ? [(4, 0)] : []
        let harness = try Harness(
            settings: settings + (window == .beforeTheHead ? [(3, 1)] : []))
        if window == .ofTheConnection || window == .beforeTheHead {
            let other = try harness.request(hasBody: true)
            harness.session.send(zeros(65_535), endOfBody: false, on: other)
            harness.pump()
        }
        let stream = try harness.request(hasBody: true)
        if window == .belowZero {
            harness.session.send(zeros(100), endOfBody: false, on: stream)
            harness.pump()
        }
        if window == .loweredToZero || window == .belowZero {
            harness.receive(Wire.settings([(4, 0)]))
        }
        _ = harness.takeSent()
        return (harness, stream)
    }

    @Test("an END_STREAM without bytes needs no window", arguments: ClosedWindow.allCases)
    func anEndWithoutBytesNeedsNoWindow(_ window: ClosedWindow) throws {
        let (harness, stream) = try blocked(window)
        harness.session.send(.empty, endOfBody: true, on: stream)
        harness.pump()
        if window == .beforeTheHead {
            #expect(harness.takeSent().isEmpty)
            harness.receive(Wire.reset(1, 8))
            #expect(harness.takeSent() == ["HEADERS 3", "HEADERS 3 end"])
        } else {
            #expect(harness.takeSent() == ["HEADERS \(stream) end"])
        }
        // It is said once, whatever the windows become.
        harness.receive(Wire.windowUpdate(0, 1_000) + Wire.windowUpdate(stream, 1_000))
        #expect(!harness.takeSent().contains { $0.contains(" \(stream)") })
        harness.receive(Wire.head(stream, end: true))
        #expect(harness.takeLog().suffix(2) == ["end \(stream)", "closed \(stream)"])
        #expect(harness.error == nil)
    }

    @Test("trailers need no window", arguments: ClosedWindow.allCases)
    func trailersNeedNoWindow(_ window: ClosedWindow) throws {
        let (harness, stream) = try blocked(window)
        let name = try #require(HTTPField.Name("X-Sum"))
        try harness.session.finish(trailers: [name: "1"], on: stream)
        harness.pump()
        if window == .beforeTheHead { harness.receive(Wire.reset(1, 8)) }
        let sent = harness.takeSent()
        #expect(sent.suffix(1) == ["HEADERS \(stream) end"])
        harness.receive(Wire.windowUpdate(0, 1_000) + Wire.windowUpdate(stream, 1_000))
        #expect(!harness.takeSent().contains { $0.contains(" \(stream)") })
        #expect(harness.error == nil)
    }

    @Test("a stream that CONNECT opened is ended by DATA alone")
    func aConnectedStreamIsEndedByDataAlone() throws {
        let harness = try Harness(settings: [(4, 0)])
        let stream = try harness.session.submit(
            HTTPRequest(method: .connect, scheme: nil, authority: "a:1", path: nil), hasBody: true)
        harness.pump()
        harness.receive(Wire.head(stream))
        _ = harness.takeSent()
        harness.session.send(.empty, endOfBody: true, on: stream)
        harness.pump()
        #expect(harness.takeSent().isEmpty)
        #expect(!harness.session.wantsOutput)
        harness.receive(Wire.windowUpdate(stream, 1))
        #expect(harness.takeSent() == ["DATA 1 0 end"])
    }

    @Test("an end without bytes waits for the bytes before it")
    func anEndWithoutBytesWaitsForTheBytesBeforeIt() throws {
        let harness = try Harness(settings: [(4, 5)])
        let stream = try harness.request(hasBody: true)
        harness.session.send(zeros(10), endOfBody: false, on: stream)
        harness.session.send(.empty, endOfBody: true, on: stream)
        harness.pump()
        #expect(harness.takeSent() == ["HEADERS 1", "DATA 1 5"])
        harness.receive(Wire.windowUpdate(1, 5))
        #expect(harness.takeSent() == ["DATA 1 5 end"])
    }

    @Test("trailers that a peer does not take are refused, and their stream can still end")
    func trailersBeyondTheBoundAreRefused() throws {
        let harness = try Harness(settings: [(6, 1_000)])
        let stream = try harness.request(hasBody: true)
        let name = try #require(HTTPField.Name("x"))
        func trailers(_ count: Int) -> HTTPFields { [name: String(repeating: "v", count: count)] }
        do throws(HTTP2Error) {
            try harness.session.finish(trailers: trailers(1_000 - 32), on: stream)
            Issue.record("trailers of 1,001 bytes were taken")
        } catch {
            #expect(error.kind == .tooLarge)
        }
        try harness.session.finish(trailers: trailers(1_000 - 33), on: stream)
        harness.pump()
        #expect(harness.takeSent() == ["HEADERS 1", "HEADERS 1 end"])
    }

    @Test("many streams cancelled at once are asked about, and so are many refused answers")
    func resetsThatLeaveTogetherAreFollowedByAPing() throws {
        var tuning = EngineTuning.HTTP2()
        tuning.maxStreamsPerConnection = 1_000
        var limits = EngineTuning.Limits()
        limits.headFields = 1
        for isByCaller in [true, false] {
            let harness = try Harness(settings: [(3, 1_000)], tuning: tuning, limits: limits)
            let streams = try (0..<250).map { _ in try harness.request() }
            _ = harness.takeSent()
            if isByCaller {
                for stream in streams { harness.session.reset(stream, code: 8) }
                harness.pump()
            } else {
                let fields = [(":status", "200"), ("a", "1"), ("b", "2")]
                harness.receive(streams.flatMap { Wire.headers($0, fields) })
            }
            let sent = harness.takeSent()
            #expect(sent.count { $0.hasPrefix("RST") } == 250)
            #expect(sent.count { $0 == "PING" } == 1)
            #expect(harness.session.hasManyUnconfirmedResets)
            harness.receive(Wire.ping(1, ack: true))
            harness.receive(Wire.ping(2, ack: true))
            #expect(!harness.session.hasManyUnconfirmedResets)
            #expect(harness.error == nil)
        }
    }
}
