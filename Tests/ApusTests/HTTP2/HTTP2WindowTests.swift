import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// Limits that an HTTP/2 peer sets and changes: streams, windows, and what they hold up.
@Suite(.timeLimit(.minutes(5))) struct HTTP2WindowTests {
    private static let large = Bytes([UInt8](repeating: 0x61, count: 200_000))

    // MARK: Streams

    @Test func row64_noStreamsAtFirstAndThenOneAtATime() async throws {
        try await withHTTP2(
            .wellBehaved().dropLast() + [
                .send(Frames.maxStreams(0) + Frames.ping()),
                .expectFrame(Frames.pingType, ack: true), .signal("none"),
                .waitForSignal("raise"), .send(Frames.maxStreams(1)),
            ] + .answering(3, 5) + [.readUntilEnd], tuning: Self.oneConnection
        ) { stand in
            try await stand.works()
            #expect(await stand.signal("none"))
            async let first = stand.get()
            async let second = stand.get()
            try await eventually("both wait") { stand.engine.snapshot().waiting == 2 }
            stand.peer.release("raise")
            #expect(try await [first, second] == ["ok", "ok"])
            // The second went out only after the first was answered: `answering` reads in order.
            try await stand.settles(connections: 1)
        }
    }

    @Test func row64_noStreamsForEverEndsInTheAcquireTimeout() async throws {
        var tuning = Self.oneConnection
        tuning.pool.acquireTimeout = .seconds(1)
        try await withHTTP2(
            .wellBehaved().dropLast() + [
                .send(Frames.maxStreams(0) + Frames.ping()),
                .expectFrame(Frames.pingType, ack: true), .signal("none"),
                .waitForSignal("raise"), .send(Frames.maxStreams(1)),
            ] + .answering(3) + [.readUntilEnd], tuning: tuning
        ) { stand in
            // A connection that is there, with room, is not waited for.
            var options = RequestOptions()
            options.versions = .http2Only
            try stand.engine.prewarm(stand.url, options: options)
            try await stand.settles(connections: 1)
            try await stand.works()
            #expect(await stand.signal("none"))
            try await eventually("it has no room") { Self.capacity(stand) == 0 }
            let error = await transportError { _ = try await stand.get() }
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .pool)
            #expect(error?.replay == .notSent)
            stand.peer.release("raise")
            try await eventually("it has room") { Self.capacity(stand) == 1 }
            try await stand.works()
        }
    }

    private static func capacity(_ stand: HTTP2Stand) -> Int? {
        stand.engine.snapshot().connectionEntries.first?.capacity
    }

    @Test func row64_aLimitLoweredBelowWhatRunsHoldsBackTheNext() async throws {
        try await withHTTP2(
            [
                .send(Frames.settings()), .request(1), .send(Frames.head(1)), .request(3),
                .send(Frames.head(3) + Frames.maxStreams(1) + Frames.ping()),
                .expectFrame(Frames.pingType, ack: true), .signal("lowered"),
                .waitForSignal("end"), .send(Frames.data(1, end: true)),
                .waitForSignal("end again"), .send(Frames.data(3, end: true)),
            ] + .answering(5) + [.readUntilEnd], tuning: Self.oneConnection
        ) { stand in
            let first = try await stand.client.send(.get(stand.url))
            let second = try await stand.client.send(.get(stand.url))
            #expect(await stand.signal("lowered"))
            async let third = stand.get()
            try await eventually("it waits") { stand.engine.snapshot().waiting == 1 }
            stand.peer.release("end")
            _ = try await first.body.collect(upTo: 1)
            #expect(stand.engine.snapshot().waiting == 1)
            stand.peer.release("end again")
            _ = try await second.body.collect(upTo: 1)
            #expect(try await third == "ok")
        }
    }

    private static var oneConnection: EngineTuning {
        var tuning = EngineTuning.default
        tuning.http2.maxConnectionsPerHost = 1
        return tuning
    }

    // MARK: Uploads

    @Test func row65_anUploadStallsAtAWindowOfZeroAndResumesExactly() async throws {
        let zero = Frames.settings([(4, 0)])
        try await withHTTP2(
            [.send(zero)] + .answering(1) + [
                .request(3), .send(Frames.ping()), .expectFrame(Frames.pingType, ack: true),
                .signal("stalled"), .waitForSignal("raise"),
                // A window of its own for the stream, then below zero by SETTINGS, then up again.
                .send(Frames.windowUpdate(3, 1_000)), .expectFrame(Frames.dataType, stream: 3),
                .send(Frames.settings([(4, 500)])), .expectFrame(Frames.dataType, stream: 3),
                .send(Frames.settings([(4, 100)])), .settingsAcknowledged,
                .send(Frames.windowUpdate(0, 1 << 20) + Frames.windowUpdate(3, 400)),
                .send(Frames.ping(8)), .expectFrame(Frames.pingType, ack: true),
                .signal("at zero"), .waitForSignal("finish"),
                .send(Frames.windowUpdate(3, 1 << 20)),
                .expectFrame(Frames.dataType, stream: 3), .send(Frames.answer(3)), .readUntilEnd,
            ]
        ) { stand in
            try await stand.works()
            async let answer = stand.post(.bytes(Self.large))
            #expect(await stand.signal("stalled"))
            #expect(Self.uploaded(stand, on: 3) == 0)
            stand.peer.release("raise")
            #expect(await stand.signal("at zero"))
            #expect(Self.uploaded(stand, on: 3) == 1_500)
            stand.peer.release("finish")
            #expect(try await answer == "ok")
            #expect(stand.peer.connectionCount == 1)
        }
    }

    /// However long a frame of the peer's may be.
    @Test(arguments: [16_384, 65_536, 1 << 20] as [UInt32])
    func aSmallPostIsNotDelayedByALargeUploadByMoreThanAFrame(_ maxFrame: UInt32) async throws {
        // The connection's first 65,535 bytes go to the large upload; then the small POST comes,
        // and the order of frames shows what both get from there on.
        try await withHTTP2(
            [
                .send(Frames.settings([(4, 1 << 30), (5, maxFrame)])), .request(1),
                .expectData(1, 65_535),
                .signal("full"), .request(3), .send(Frames.windowUpdate(0, 1 << 30)),
                .expectFrame(Frames.dataType, stream: 3), .signal("small"),
                .send(Frames.answer(3)), .expectData(1, (16 << 20) - 65_535 - 200_000),
                .send(Frames.answer(1)), .readUntilEnd,
            ]
        ) { stand in
            let large = Bytes([UInt8](repeating: 0x61, count: 16 << 20))
            async let upload = stand.post(.bytes(large))
            #expect(await stand.signal("full"))
            #expect(try await stand.post(.bytes(Bytes("small"))) == "ok")
            let frames = stand.frames().filter { $0.type == Frames.dataType }
            let small = try #require(frames.firstIndex { $0.stream == 3 })
            var before = 0
            var position = 0
            for frame in frames[..<small] {
                // What filled the first window was under way already.
                if position >= 65_535 { before += 1 }
                position += frame.payload.count
            }
            #expect(before <= 1)
            #expect(try await upload == "ok")
            let longest = stand.frames().map(\.payload.count).max()
            #expect(longest == Int(min(maxFrame, 65_536)))
        }
    }

    private static func uploaded(_ stand: HTTP2Stand, on stream: Int32) -> Int {
        stand.frames().filter { $0.type == Frames.dataType && $0.stream == stream }
            .reduce(0) { $0 + $1.payload.count }
    }

    // MARK: Settings

    @Test(
        arguments: [(1, 0), (1, UInt32.max), (5, 16_384), (5, 16_777_215), (4, 65_535)]
            as [(UInt16, UInt32)])
    func row66_settingsThatChangeMidStreamAreAppliedAndAcknowledgedOnce(
        _ name: UInt16, _ value: UInt32
    ) async throws {
        try await withHTTP2(
            .http2(Frames.head(1)) + [
                .send(Frames.settings([(name, value)]) + Frames.ping()),
                .expectFrame(Frames.pingType, ack: true),
                .send(Frames.data(1, [0x31], end: true)),
            ] + .answering(3) + [.readUntilEnd]
        ) { stand in
            let response = try await stand.client.send(.get(stand.url))
            #expect(try await text(of: response) == "1")
            try await stand.works()
            let acknowledged = stand.frames().count { $0.type == 4 && $0.flags == 1 }
            #expect(acknowledged == 2)
            #expect(stand.peer.connectionCount == 1)
        }
    }

    // MARK: Downloads

    @Test func row67_aReaderThatStopsHoldsUpNoOther() async throws {
        var tuning = EngineTuning.default
        tuning.http2.streamWindow = 65_535
        tuning.http2.maxStreamWindow = 65_535
        tuning.http2.connectionWindow = 65_535 * 2
        try await withStand(.http2PriorKnowledge, tuning: tuning) { stand in
            let stopped = try await stand.get("/endless")
            for _ in 0..<4 {
                let response = try await stand.get("/bytes/1000000")
                #expect(try await checkPattern(response.body) == 1_000_000)
            }
            // Still there, and it goes on from where it was.
            let body = stopped.body.makeAsyncIterator()
            var received = 0
            while received < 200_000, let chunk = try await body.next() { received += chunk.count }
            #expect(stand.server.counters.connectionsAccepted == 1)
        }
    }

    /// The bytes that were sent bound what can be in memory, and the windows bound those bytes.
    @Test func row88_aThousandReadersThatStallHoldNoMoreThanTheirWindows() async throws {
        let (streams, window) = (isSanitized ? 200 : 1000, 65_535)
        var tuning = EngineTuning.default
        tuning.http2.streamWindow = window
        tuning.http2.maxStreamWindow = window
        tuning.http2.maxConnectionsPerHost = streams / 100 + 1
        try await withStand(.http2PriorKnowledge, tuning: tuning) { stand in
            let before = Soak.residentKiB(trimmed: true)
            var stalled: [Response] = []
            for _ in 0..<streams { stalled.append(try await stand.get("/endless")) }
            var sent: [Int] { stand.server.connections.flatMap(\.endlessBytes.values) }
            try await eventually("every window is full") {
                sent.count == streams && sent.allSatisfy { $0 >= window }
            }
            // An origin that could go on would have done so by the end of another exchange.
            _ = try await stand.get("/bytes/1000000").body.collect(upTo: 1_000_000)
            #expect(sent == [Int](repeating: window, count: streams))
            // Other tests share the process, so this figure is for a run by itself.
            let held = Soak.residentKiB(trimmed: true) - before
            Soak.report(
                "\(streams) stalled readers and their origin hold \(held) KiB; the windows are "
                    + "\(streams * window / 1024) KiB")
            stalled = []
            try await eventually("no stream is left") { stand.engine.snapshot().exchanges == 0 }
        }
    }

    @Test func row68_aDroppedBodyIsResetAndItsWindowReturned() async throws {
        var tuning = EngineTuning.default
        tuning.http2.connectionWindow = 65_535 * 2
        tuning.http2.streamWindow = 65_535
        try await withStand(.http2PriorKnowledge, tuning: tuning) { stand in
            for _ in 0..<8 {
                let response = try await stand.get("/endless")
                let body = response.body.makeAsyncIterator()
                _ = try await body.next()
            }
            // Eight windows' worth was thrown away; what is left carries a megabyte all the same.
            let response = try await stand.get("/bytes/1000000")
            #expect(try await checkPattern(response.body) == 1_000_000)
            try await eventually("eight resets") {
                stand.server.counters.cancelledStreams == 8
            }
            #expect(stand.server.counters.connectionsAccepted == 1)
        }
    }

    @Test func row74_manyCancelsLeakNeitherStreamsNorPings() async throws {
        // What is counted is PINGs for cancelling: those after silence are off.
        var tuning = EngineTuning.executor
        tuning.http2.pingAfter = nil
        try await withStand(.http2PriorKnowledge, tuning: tuning) { stand in
            for _ in 0..<20 {
                let tasks = (0..<50).map { _ in Task { try await stand.get("/hang") } }
                // A cancel that comes before the request does not count.
                try await eventually("the origin has all of them") {
                    stand.server.counters.currentRequests == 50
                }
                for task in tasks { task.cancel() }
                for task in tasks { _ = await task.result }
                try await eventually("the origin has heard of each") {
                    stand.server.counters.currentRequests == 0
                }
            }
            #expect(stand.server.counters.cancelledStreams == 1_000)
            let response = try await stand.get("/")
            _ = try await response.body.collect(upTo: 100)
            try await eventually("no stream is left") {
                stand.engine.snapshot().exchanges == 0
            }
            // One for each hundred, and none for each.
            #expect((1...10).contains(stand.server.counters.pings))
            #expect(stand.server.counters.connectionsAccepted == 1)
            #expect(stand.engine.snapshot().connections == 1)
        }
    }

    @Test("row 74, 2.1: cancels are held back while the peer may not have met those before")
    func row74_aPeerIsNotFloodedWithCancels() async throws {
        try await withHTTP2(
            .wellBehaved().dropLast() + [
                .resets(210), .waitForSignal("confirm"), .send(Frames.ping(1, ack: true)),
                .readUntilEnd,
            ], .wellBehaved()
        ) { stand in
            try await stand.works()
            for round in 1...3 {
                let tasks = (0..<70).map { _ in Task { try await stand.get() } }
                try await eventually("the peer has all of them") {
                    stand.frames().count { $0.type == Frames.headersType } == round * 70 + 1
                }
                #expect(Self.state(stand) == .leased)
                for task in tasks { task.cancel() }
                for task in tasks { _ = await task.result }
                try await eventually("no stream is left") {
                    stand.engine.snapshot().exchanges == 0
                }
            }
            // What comes now goes elsewhere.
            try await eventually("it gets no new streams") { Self.state(stand) == .suspect }
            try await stand.works()
            #expect(stand.peer.connectionCount == 2)
            let frames = stand.frames()
            #expect(frames.count { $0.type == Frames.resetType } == 210)
            #expect(frames.count { $0.type == Frames.pingType && $0.flags == 0 } == 1)
            stand.peer.release("confirm")
            try await eventually("it gets streams again") { Self.state(stand) != .suspect }
            #expect(stand.story.closes.isEmpty)
        }
    }

    /// The state of the connection that was made first.
    private static func state(_ stand: HTTP2Stand) -> ConnectionState? {
        stand.engine.snapshot().connectionEntries.min { $0.id < $1.id }?.state
    }

    /// What the engine's WINDOW_UPDATEs add to stream 1 beyond the 65,536 bytes that it was sent.
    @Test(arguments: [(1 << 28, 65_535), (10_000, 10_000), (0, 0)])
    func aDownloadThatFillsItsWindowGetsALargerOneWithinTheEnginesBudget(
        _ budget: Int, _ growth: Int
    ) async throws {
        var tuning = EngineTuning.default
        tuning.http2.streamWindow = 65_535
        tuning.http2.maxStreamWindow = 131_072
        tuning.http2.windowBudget = budget
        let half = (0..<2).flatMap { _ in
            Frames.data(1, [UInt8](repeating: 0x61, count: 16_384))
        }
        try await withHTTP2(
            .http2(Frames.head(1) + half) + [
                .credited(1, 32_768, asked: true), .send(half), .credited(1, 32_768),
                // Both halves within one round trip, and all of it taken by the reader.
                .send(Frames.ping(1, ack: true) + Frames.ping(9)),
                .expectFrame(Frames.pingType, ack: true),
                .send(Frames.data(1, end: true)),
            ] + .answering(3) + [.readUntilEnd], tuning: tuning
        ) { stand in
            #expect(try await stand.get().utf8.count == 65_536)
            try await stand.works()
            let credited = stand.frames().filter { $0.type == 8 && $0.stream == 1 }
                .reduce(0) { $0 + Int($1.number()) }
            #expect(credited == 65_536 + growth)
        }
    }
}

extension ScriptedPeer.Step {
    /// Reads until so many streams were reset.
    fileprivate static func resets(_ count: Int) -> Self {
        .expect { bytes in
            let frames = Frames.frames(Array(bytes))
            return frames.count { $0.type == Frames.resetType } >= count ? bytes.count : nil
        }
    }

    /// Reads until a stream's window was opened by so much at once, and a PING has come if `asked`.
    fileprivate static func credited(
        _ stream: Int32, _ count: UInt32, asked: Bool = false
    ) -> Self {
        .expect { bytes in
            let frames = Frames.frames(Array(bytes))
            let isThere = frames.contains {
                $0.type == 8 && $0.stream == stream && $0.number() == count
            }
            let isAsked = !asked || frames.contains { $0.type == Frames.pingType }
            return isThere && isAsked ? bytes.count : nil
        }
    }
}
