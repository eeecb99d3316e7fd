import ApusCore
import ApusHTTP2
import Testing

/// A frame that is harmless `most` times and a flood once more.
struct Flood: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let frame: [UInt8]
    let most: Int
    let kind: HTTP2Flood
    /// What the session counts of it.
    let count: @Sendable (FrameCensus) -> Int

    init(
        _ name: String, _ frame: [UInt8], most: Int, _ kind: HTTP2Flood,
        _ count: @escaping @Sendable (FrameCensus) -> Int
    ) {
        testDescription = name
        self.frame = frame
        self.most = most
        self.kind = kind
        self.count = count
    }
}

/// A field of 4,000 bytes for the dynamic table, then named again by single bytes: a whole frame.
private let bomb: [UInt8] = {
    let entry =
        [0x40, 1, UInt8(ascii: "x"), 0x7F, 0xA1, 0x1E] + [UInt8](repeating: 0x61, count: 4_000)
    let block = Wire.block([(":status", "200")]) + entry
    return block + [UInt8](repeating: 0xBE, count: 16_384 - block.count)
}()
/// The harness's own SETTINGS and its acknowledgement are idle frames too; so is a head's answer.
private let floods = [
    Flood("2.1 empty DATA", Wire.data(1, ""), most: 100, .emptyData) { $0.emptyData },
    Flood(
        "2.1 DATA of nothing but padding", Wire.padded(1, "", padding: 3), most: 100, .emptyData
    ) { $0.emptyData },
    Flood("2.1 GOAWAY", Wire.goAway(0x7FFF_FFFF), most: 16, .goAways) { $0.goAways },
    Flood(
        "2.1 HEADERS on a closed stream", Wire.head(3), most: 200, .strayHeaders
    ) { $0.strayHeaders },
    Flood(
        // A section of 16 KiB whose every byte names a field of 4,000: 65 million bytes decoded.
        "2.1 field sections on a closed stream", Wire.frame(1, flags: 4, stream: 3, bomb), most: 64,
        .strayFields
    ) { $0.strayFieldBytes / 16_384 },
    Flood("2.1 WINDOW_UPDATE", Wire.windowUpdate(0, 1), most: 10_000, .idleFrames) {
        $0.idleFrames
    },
    Flood("2.1 PRIORITY", Wire.frame(2, stream: 1, [0, 0, 0, 0, 5]), most: 10_000, .idleFrames) {
        $0.idleFrames
    },
    Flood("2.1 unknown frames", Wire.frame(0xBB), most: 10_000, .idleFrames) { $0.idleFrames },
    Flood("2.1 RST on a closed stream", Wire.reset(3, 8), most: 10_000, .idleFrames) {
        $0.idleFrames
    },
    Flood("2.1 PING", Wire.ping(), most: 10_000, .idleFrames) { $0.idleFrames },
    Flood("2.1 PING answers", Wire.ping(ack: true), most: 10_000, .idleFrames) { $0.idleFrames },
    Flood("2.1 SETTINGS", Wire.settings([(4, 65_535)]), most: 10_000, .idleFrames) {
        $0.idleFrames
    },
]

/// Stream 1 has its head, stream 3 is gone by the peer's RST; nothing is counted yet.
private func opened(settings: [(UInt16, UInt32)] = []) throws -> Harness {
    let harness = try Harness()
    try harness.request()
    try harness.request()
    harness.receive(Wire.reset(3, 8) + Wire.head(1))
    _ = harness.takeLog()
    _ = harness.takeSent()
    return harness
}

@Suite struct FrameCensusTests {
    @Test("2.1: each flood has a bound, and is counted and not kept", arguments: floods, [1, 64])
    func eachFloodEndsTheConnectionAtItsBound(_ flood: Flood, batch: Int) throws {
        let harness = try opened()
        var mostHeld = harness.session.load
        var left = flood.most
        while left > 0 {
            let count = min(left, batch)
            harness.receive((0..<count).flatMap { _ in flood.frame }, pumps: false)
            let load = harness.session.load
            mostHeld.answerBytes = max(mostHeld.answerBytes, load.answerBytes)
            mostHeld.queuedFrames = max(mostHeld.queuedFrames, load.queuedFrames)
            mostHeld.keptFieldBytes = max(mostHeld.keptFieldBytes, load.keptFieldBytes)
            harness.pump()
            left -= count
        }
        #expect(harness.error == nil)
        _ = harness.takeSent()
        harness.receive(flood.frame)
        #expect(harness.error?.kind == .abuse(flood.kind))
        // What it costs by our own counts: frames to the bound and no further, and no bytes.
        #expect((flood.most...flood.most + 1).contains(flood.count(harness.session.census)))
        #expect(mostHeld.answerBytes <= 64 * 1024 + 16 * 1024)
        #expect(mostHeld.queuedFrames <= 1_000)
        #expect(mostHeld.keptFieldBytes == 0)
        #expect(harness.takeSent().last == "GOAWAY 11")
        #expect(harness.takeLog().last == "closed 1")
    }

    @Test(
        "2.1 CONTINUATION flood (CVE-2024-28182)",
        arguments: [(8, nil), (9, HTTP2Error.Kind.abuse(.continuations))], [Int.max, 1])
    func continuationsAreFewInASection(_ bound: (count: Int, error: HTTP2Error.Kind?), step: Int)
        throws
    {
        let harness = try Harness()
        try harness.request()
        let head = Wire.frame(1, flags: 1, stream: 1, Wire.block([(":status", "200")]))
        let middle = (1..<bound.count).flatMap { _ in Wire.frame(9, stream: 1) }
        harness.receive(head + middle + Wire.frame(9, flags: 4, stream: 1), step: step)
        #expect(harness.error?.kind == bound.error)
        #expect(harness.log.contains("closed 1"))
    }

    @Test("2.1 tiny DATA: no limit by frames") func manySmallPiecesAreNoFlood() throws {
        let harness = try opened()
        let piece = Wire.data(1, "x")
        for _ in 0..<600 {
            harness.receive((0..<100).flatMap { _ in piece })
            harness.session.consumed(100, on: 1)
        }
        #expect(harness.error == nil)
        #expect(harness.log.count == 1)
    }

    @Test func windowUpdatesForAnUploadAreNoFlood() throws {
        let harness = try Harness(settings: [(4, 100)])
        let stream = try harness.request(hasBody: true)
        harness.session.send(
            Bytes([UInt8](repeating: 1, count: 20_000)), endOfBody: true, on: stream)
        for _ in 0..<19_900 { harness.receive(Wire.windowUpdate(1, 1)) }
        #expect(harness.error == nil)
        #expect(harness.session.queuedBytes(on: stream) == 0)
    }

    @Test func aBurstOfPingsInOneReadIsAnswered() throws {
        let harness = try opened()
        harness.receive((0..<5_000).flatMap { _ in Wire.ping() })
        #expect(harness.error == nil)
        #expect(harness.takeSent() == [String](repeating: "PING ack", count: 5_000))
    }

    @Test("2.1 outbound queue growth, PING flood")
    func aPeerThatDoesNotReadTheAnswersIsCutOff() throws {
        let harness = try opened()
        for _ in 0..<9_000 { harness.receive(Wire.ping(), pumps: false) }
        #expect(harness.error?.kind == .abuse(.unansweredFrames))
        var output: [UInt8] = []
        _ = try harness.session.nextOutput(into: &output, limit: 1 << 20)
        #expect(output.count < 128 * 1024)
        // nghttp2's thousand, and 64 KiB of what was taken out before, of 17 bytes each.
        #expect(harness.session.census.pings <= 1_000 + (64 + 16 + 16) * 1024 / 17)
    }

    @Test("2.1 HPACK bomb: sections of open streams are not strays")
    func largeHeadsOfManyStreamsAreNoFlood() throws {
        var limits = EngineTuning.Limits()
        limits.headBytes = 1 << 20
        let harness = try Harness(limits: limits)
        let value = String(repeating: "v", count: 120)
        let fields = (0..<100).map { ("x-\($0)", value) }
        let block = Wire.block([(":status", "200")] + fields)
        for round in 0..<200 {
            let stream = try harness.request()
            #expect(stream == Int32(round * 2 + 1))
            harness.receive(
                Wire.frame(1, flags: 1, stream: stream, Array(block.prefix(9_000)))
                    + Wire.frame(9, flags: 4, stream: stream, Array(block.dropFirst(9_000))),
                step: 1_000)
        }
        #expect(harness.error == nil)
        #expect(harness.session.census.strayFieldBytes == 0)
        #expect(harness.log.count { $0.hasPrefix("end") } == 200)
    }

    @Test(
        "2.1 rapid reset (CVE-2023-44487), MadeYouReset (CVE-2025-8671)",
        arguments: [true, false])
    func streamsThatThePeerEndsAreCounted(_ isByPeer: Bool) throws {
        let harness = try Harness()
        let start = Deadline(nanoseconds: 1_000)
        func lose(_ count: Int) throws {
            for _ in 0..<count {
                let stream = try harness.request()
                harness.receive(
                    // A window beyond its bound makes us reset the stream.
                    isByPeer ? Wire.reset(stream, 2) : Wire.windowUpdate(stream, 0x7FFF_FFFF))
            }
        }
        harness.session.timePassed(now: start)
        try lose(64)
        #expect(harness.session.census.lostStreams == 64)
        #expect(!harness.session.isLosingStreams)
        // Another window of time, another count.
        harness.session.timePassed(now: start.advanced(by: .seconds(10)))
        try lose(64)
        #expect(!harness.session.isLosingStreams)
        // A reset after the whole response is not a loss.
        let stream = try harness.request()
        harness.receive(Wire.head(stream, end: true) + Wire.reset(stream, 0))
        #expect(!harness.session.isLosingStreams)
        try lose(1)
        #expect(harness.session.isLosingStreams)
        #expect(harness.error == nil)
    }

    @Test("2.1 rapid reset: streams opened before the peer reported its limit may be refused")
    func refusalsBeforeThePeersSettingsAreNoLosses() throws {
        let harness = try Harness(settings: nil)
        harness.session.timePassed(now: Deadline(nanoseconds: 1_000))
        let early = try (0..<80).map { _ in try harness.request() }
        harness.receive(
            Wire.settings([(3, 10)]) + early.dropFirst(10).flatMap { Wire.reset($0, 7) })
        #expect(harness.log.count { $0.hasSuffix("refused") } == 70)
        #expect(harness.session.census.lostStreams == 0)
        #expect(!harness.session.isLosingStreams)
        // Another code is another thing, and so is a refusal of what kept to the limit.
        harness.receive(early.prefix(10).flatMap { Wire.reset($0, 2) })
        #expect(harness.session.census.lostStreams == 10)
        for _ in 0..<55 { harness.receive(Wire.reset(try harness.request(), 7)) }
        #expect(harness.session.isLosingStreams)
    }

    @Test(
        "2.1 SETTINGS and PING floods are rates",
        arguments: [
            (Wire.ping(), 2_000, HTTP2Flood.pings), (Wire.settings(), 200, .settings),
            (Wire.data(1, ""), 100, .emptyData),
        ])
    func frameRatesAreBoundedOnceTimed(frame: [UInt8], most: Int, kind: HTTP2Flood) throws {
        let harness = try opened()
        let start = Deadline(nanoseconds: 1_000)
        harness.session.timePassed(now: start)
        for _ in 0..<most { harness.receive(frame) }
        #expect(harness.error == nil)
        harness.session.timePassed(now: start.advanced(by: .seconds(10)))
        for _ in 0..<most { harness.receive(frame) }
        harness.session.timePassed(now: start.advanced(by: .seconds(19)))
        #expect(harness.error == nil)
        harness.receive(frame)
        #expect(harness.error?.kind == .abuse(kind))
    }

    @Test("a peer that measures the round trip of a busy connection sends no flood of PINGs")
    func pingsBetweenUsefulBytesAreNoFlood() throws {
        let harness = try Harness(settings: [(4, 1 << 30)])
        harness.session.timePassed(now: Deadline(nanoseconds: 1_000))
        let stream = try harness.request(hasBody: true)
        // An upload: what moves is ours.
        for _ in 0..<5_000 {
            harness.session.send(Bytes("x"), endOfBody: false, on: stream)
            harness.receive(Wire.ping())
        }
        #expect(harness.error == nil)
        harness.receive(Wire.head(stream))
        for _ in 0..<5_000 { harness.receive(Wire.ping() + Wire.data(stream, "x")) }
        #expect(harness.error == nil)
        for _ in 0..<2_000 { harness.receive(Wire.ping()) }
        #expect(harness.error == nil)
        harness.receive(Wire.ping())
        #expect(harness.error?.kind == .abuse(.pings))
    }

    @Test("each open stream may have its own heartbeat of empty DATA")
    func heartbeatsOfManyStreamsAreNoFlood() throws {
        let harness = try Harness()
        let streams = try (0..<10).map { _ in try harness.request() }
        harness.receive(streams.flatMap { Wire.head($0) })
        for _ in 0..<100 { harness.receive(streams.flatMap { Wire.data($0, "") }) }
        #expect(harness.error == nil)
        // Those that end leave the others' count where it would be without them.
        harness.receive(streams.dropFirst().flatMap { Wire.data($0, "", end: true) })
        for _ in 0..<100 { harness.receive(Wire.data(1, "")) }
        #expect(harness.error == nil)
        harness.receive(Wire.data(1, ""))
        #expect(harness.error?.kind == .abuse(.emptyData))
    }

    @Test("SETTINGS are a rate, whatever moves between them")
    func settingsBetweenUsefulBytesAreCounted() throws {
        let harness = try opened()
        harness.session.timePassed(now: Deadline(nanoseconds: 1_000))
        for _ in 0..<200 { harness.receive(Wire.settings() + Wire.data(1, "x")) }
        #expect(harness.error == nil)
        harness.receive(Wire.settings())
        #expect(harness.error?.kind == .abuse(.settings))
    }

    @Test func aDayOfQuietPingsIsNoFlood() throws {
        let harness = try opened()
        var now = Deadline(nanoseconds: 1_000)
        for _ in 0..<12_000 {
            now = now.advanced(by: .seconds(10))
            harness.session.timePassed(now: now)
            harness.receive(Wire.ping())
        }
        #expect(harness.error == nil)
    }

    @Test func lateAnswersToManyResetsAreNoFlood() throws {
        let harness = try Harness()
        for round in 0..<1_000 {
            let stream = try harness.request()
            #expect(stream == Int32(round * 2 + 1))
            harness.session.reset(stream, code: 8)
            harness.pump()
        }
        for round in 0..<1_000 { harness.receive(Wire.head(Int32(round * 2 + 1))) }
        #expect(harness.error == nil)
    }
}
