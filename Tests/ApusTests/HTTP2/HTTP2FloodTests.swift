import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// What a hostile or broken HTTP/2 peer sends, and what it gets for it.
@Suite(.timeLimit(.minutes(5))) struct HTTP2FloodTests {
    /// The peer's bytes after its SETTINGS, and the expected result.
    struct Offence: Sendable, CustomTestStringConvertible {
        let name: String
        let bytes: [UInt8]
        let kind: TransportError.Kind
        /// The code of our GOAWAY.
        let code: UInt32

        init(
            _ name: String, _ bytes: [UInt8], _ kind: TransportError.Kind, code: UInt32
        ) {
            self.name = name
            self.bytes = bytes
            self.kind = kind
            self.code = code
        }

        var testDescription: String { name }
    }

    private static func many(_ count: Int, _ frame: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count * frame.count)
        for _ in 0..<count { bytes += frame }
        return bytes
    }

    static let offences: [Offence] = [
        Offence("row 69: PING", many(20_000, Frames.ping()), .h2Abuse, code: 11),
        Offence("row 69: SETTINGS", many(20_000, Frames.settings()), .h2Abuse, code: 11),
        Offence(
            "row 69: WINDOW_UPDATE", many(20_000, Frames.windowUpdate(0, 1)), .h2Abuse, code: 11),
        Offence(
            "row 69: PRIORITY", many(20_000, Frames.frame(2, stream: 1, [0, 0, 0, 0, 9])),
            .h2Abuse, code: 11),
        Offence("row 69: unknown", many(20_000, Frames.frame(0xBE)), .h2Abuse, code: 11),
        Offence("row 69: GOAWAY", many(100, Frames.goAway(1)), .h2Abuse, code: 11),
        Offence(
            "row 70: empty DATA", Frames.head(1) + many(200, Frames.data(1)), .h2Abuse, code: 11),
        Offence(
            "row 71: CONTINUATION",
            Frames.frame(1, stream: 1, [0x88]) + many(100, Frames.frame(9, stream: 1)), .h2Abuse,
            code: 11),
        Offence(
            "row 71: HPACK bomb",
            // One entry of 4,000 bytes in the dynamic table, named again and again.
            Frames.frame(
                1, flags: 4, stream: 1,
                [0x88, 0x40, 1, 0x61, 0x7F, 0xA1, 0x1E] + [UInt8](repeating: 0x62, count: 4_000)
                    + [UInt8](repeating: 0xBE, count: 10_000)), .tooLarge, code: 11),
        Offence("row 72: DATA on an idle stream", Frames.data(9, [1]), .malformed, code: 1),
        Offence("row 72: HEADERS on an even stream", Frames.head(2), .malformed, code: 1),
        Offence(
            "row 72: a PING of seven bytes", Frames.frame(6, [1, 2, 3, 4, 5, 6, 7]),
            .malformed, code: 6),
        Offence(
            "row 72: padding beyond the frame", Frames.frame(0, flags: 8, stream: 1, [9, 1]),
            .malformed, code: 1),
        Offence(
            "row 72: a frame above MAX_FRAME_SIZE",
            Frames.data(1, [UInt8](repeating: 0, count: 16_385)), .malformed, code: 6),
        Offence(
            "row 72: a push", Frames.frame(5, flags: 4, stream: 1, [0, 0, 0, 2, 0x82]),
            .malformed, code: 1),
    ]

    @Test(arguments: offences)
    func anOffenceCostsThePeerItsConnection(_ offence: Offence) async throws {
        try await withHTTP2(
            [
                .send(Frames.settings()), .request(1),
                .send(Frames.frame(4, flags: 1) + offence.bytes), .readUntilEnd,
            ], .wellBehaved()
        ) { stand in
            let error = await transportError { _ = try await stand.get() }
            #expect(error?.kind == offence.kind, "\(String(describing: error))")
            #expect(error?.replay == .unknown || error?.replay == .responseStarted)
            #expect(stand.story.replays.isEmpty)
            try await stand.settles(connections: 0)
            #expect(await stand.peer.connection(0, timeout: .seconds(60)) { $0.hasEnded })
            let goAway = stand.frames().last { $0.type == Frames.goAwayType }
            #expect(goAway?.number(at: 4) == offence.code)
            try await eventually("the close is reported") {
                stand.story.closes == [.protocolViolation]
            }
            try await stand.works()
        }
    }

    @Test("2.1 rapid reset: such a connection gets no new streams", arguments: [64, 65])
    func aPeerThatResetsManyStreamsIsRetired(_ count: Int) async throws {
        let streams = (0..<Int32(count)).map { $0 * 2 + 1 }
        let script: [ScriptedPeer.Step] =
            [.send(Frames.settings())] + streams.map { .request($0) } + [
                .send(streams.flatMap { Frames.reset($0, 2) })
            ] + .answering(Int32(count) * 2 + 1) + [.readUntilEnd]
        try await withHTTP2(script, .wellBehaved()) { stand in
            await withTaskGroup(of: Void.self) { group in
                for _ in streams {
                    group.addTask {
                        let error = await transportError { _ = try await stand.get() }
                        #expect(error?.kind == .h2Stream(code: 2))
                    }
                }
            }
            try await stand.works()
            #expect(stand.peer.connectionCount == (count > 64 ? 2 : 1))
            let closes: [CloseReason] = count > 64 ? [.goAway] : []
            try await eventually("the close is reported") { stand.story.closes == closes }
        }
    }

    @Test("row 70, 2.1 tiny DATA") func row70_manyTinyDataFramesAreServed() async throws {
        let tiny = Self.many(60_000, Frames.data(1, [0x78]))
        try await withHTTP2(
            .http2(Frames.head(1) + tiny + Frames.data(1, end: true)) + .answering(3)
                + [.readUntilEnd]
        ) { stand in
            let body = try await stand.get()
            #expect(body.utf8.count == 60_000)
            try await stand.works()
            #expect(stand.peer.connectionCount == 1)
        }
    }

    @Test func row71_aHeadBeyondTheBoundCostsTheStreamOnly() async throws {
        var tuning = EngineTuning.default
        tuning.limits.headBytes = 1_024
        let fields = (0..<15).map { ("x-\($0)", String(repeating: "v", count: 100)) }
        try await withHTTP2(
            .http2(Frames.head(1, 200, fields)) + .answering(3) + [.readUntilEnd], tuning: tuning
        ) { stand in
            let error = await transportError { _ = try await stand.get() }
            #expect(error?.kind == .tooLarge)
            #expect(error?.phase == .head)
            try await stand.works()
            #expect(stand.peer.connectionCount == 1)
            #expect(stand.frames().contains { $0.type == Frames.resetType && $0.stream == 1 })
            try await stand.settles(connections: 1)
        }
    }

    @Test func row72_aFrameOnAStreamThatIsOverDoesNoHarm() async throws {
        try await withHTTP2(
            .http2(Frames.answer(1) + Frames.windowUpdate(1, 1)) + .answering(3) + [.readUntilEnd]
        ) { stand in
            let answers = [try await stand.get(), try await stand.get()]
            #expect(answers == ["ok", "ok"])
            #expect(stand.peer.connectionCount == 1)
        }
    }
}
