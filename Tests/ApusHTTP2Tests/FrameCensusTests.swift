import ApusCore
import ApusHTTP2
import Testing

/// A frame that is harmless `most` times and a flood once more.
struct Flood: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let frame: [UInt8]
    let most: Int
    let abuse: String

    init(_ name: String, _ frame: [UInt8], most: Int, _ abuse: String) {
        testDescription = name
        self.frame = frame
        self.most = most
        self.abuse = abuse
    }
}

private let idle = "frames that move nothing"
/// The harness's own SETTINGS and its acknowledgement are idle frames too; so is a head's answer.
private let floods = [
    Flood("empty DATA", Wire.data(1, ""), most: 100, "empty DATA"),
    Flood("DATA of nothing but padding", Wire.padded(1, "", padding: 3), most: 100, "empty DATA"),
    Flood("GOAWAY", Wire.goAway(0x7FFF_FFFF), most: 16, "GOAWAY"),
    Flood("HEADERS on a closed stream", Wire.head(3), most: 200, "HEADERS on closed streams"),
    Flood("WINDOW_UPDATE", Wire.windowUpdate(0, 1), most: 10_000, idle),
    Flood("PRIORITY", Wire.frame(2, stream: 1, [0, 0, 0, 0, 5]), most: 10_000, idle),
    Flood("unknown frames", Wire.frame(0xBB), most: 10_000, idle),
    Flood("RST on a closed stream", Wire.reset(3, 8), most: 10_000, idle),
    Flood("PING", Wire.ping(), most: 10_000, idle),
    Flood("PING answers", Wire.ping(ack: true), most: 10_000, idle),
    Flood("SETTINGS", Wire.settings([(4, 65_535)]), most: 10_000, idle),
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
    @Test(arguments: floods, [1, 64])
    func eachFloodEndsTheConnectionAtItsBound(_ flood: Flood, batch: Int) throws {
        let harness = try opened()
        var left = flood.most
        while left > 0 {
            let count = min(left, batch)
            harness.receive((0..<count).flatMap { _ in flood.frame })
            left -= count
        }
        #expect(harness.error == nil)
        _ = harness.takeSent()
        harness.receive(flood.frame)
        #expect(harness.error?.kind == .abuse(flood.abuse))
        #expect(harness.takeSent().last == "GOAWAY 11")
        #expect(harness.takeLog().last == "closed 1")
    }

    @Test(arguments: [(8, nil), (9, HTTP2Error.Kind.abuse("CONTINUATION"))], [Int.max, 1])
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

    @Test func manySmallPiecesAreNoFlood() throws {
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

    @Test func aPeerThatDoesNotReadTheAnswersIsCutOff() throws {
        let harness = try opened()
        for _ in 0..<9_000 { harness.receive(Wire.ping(), pumps: false) }
        #expect(harness.error?.kind == .abuse("PING or SETTINGS"))
        var output: [UInt8] = []
        _ = try harness.session.nextOutput(into: &output, limit: 1 << 20)
        #expect(output.count < 128 * 1024)
    }

    @Test(arguments: [
        (Wire.ping(), 2_000, "PING"), (Wire.settings(), 200, "SETTINGS"),
    ])
    func ratesAreBoundWhenTheTimeIsTold(frame: [UInt8], most: Int, abuse: String) throws {
        let harness = try opened()
        let start = Deadline(nanoseconds: 1_000)
        harness.session.timePassed(now: start)
        for _ in 0..<most { harness.receive(frame + Wire.data(1, "x")) }
        #expect(harness.error == nil)
        harness.session.timePassed(now: start.advanced(by: .seconds(10)))
        for _ in 0..<most { harness.receive(frame + Wire.data(1, "x")) }
        harness.session.timePassed(now: start.advanced(by: .seconds(19)))
        #expect(harness.error == nil)
        harness.receive(frame)
        #expect(harness.error?.kind == .abuse(abuse))
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
