import Apus
import LoopFixtures
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// Extended CONNECT (RFC 8441): one stream of a connection leaves HTTP, and the others do not.
@Suite(.timeLimit(.minutes(5))) struct HTTP2DuplexTests {
    /// SETTINGS_ENABLE_CONNECT_PROTOCOL.
    private static let offering = Frames.settings([(8, 1)])

    private static func connect(
        _ stand: HTTP2Stand, _ name: String = "websocket", _ options: RequestOptions = .init()
    ) async throws -> Response {
        var request = try HTTPRequest(.connect, url: stand.url + "chat")
        request.extendedConnectProtocol = name
        return try await stand.client.send(request, options: options)
    }

    @Test func aStreamBecomesADuplexBesideOrdinaryOnes() async throws {
        try await withHTTP2(
            [.send(Self.offering), .request(1), .send(Frames.head(1) + Frames.data(1, [1, 2]))]
                + .answering(3)
                + [
                    .expectFrame(Frames.dataType, stream: 1), .send(Frames.data(1, [3], end: true)),
                ] + .answering(5) + [.readUntilEnd]
        ) { stand in
            let response = try await Self.connect(stand)
            #expect(response.status == .ok)
            let duplex = try #require(response.duplex)
            #expect(try await duplex.read() == Bytes([1, 2]))
            try await stand.works()
            try await duplex.write(Bytes("hello"))
            #expect(try await duplex.read() == Bytes([3]))
            #expect(try await duplex.read() == nil)
            // The peer's end is not ours.
            try await duplex.write(Bytes("more"))
            try await duplex.finish()
            try await duplex.finish()
            let late = await transportError { try await duplex.write(Bytes("late")) }
            #expect(late?.kind.name == "invalidRequest")
            try await stand.works()
            try await stand.settles(connections: 1)
            let sent = stand.frames().filter { $0.type == Frames.dataType && $0.stream == 1 }
            #expect(sent.flatMap(\.payload) == Array("hellomore".utf8))
            #expect(sent.last?.flags == 1)
            #expect(stand.peer.connectionCount == 1)
        }
    }

    /// The bytes of the last write may still be queued when the duplex is closed.
    @Test(arguments: [true, false])
    func whatWasWrittenBeforeOurEndIsSentBeforeAClose(isOnLoop: Bool) async throws {
        try await withHTTP2(
            [
                .send(Self.offering), .request(1),
                .send(Frames.head(1) + Frames.data(1, [1], end: true)), .readUntilEnd,
            ]
        ) { stand in
            let executor: (any TaskExecutor)? = isOnLoop ? stand.engine.taskExecutor : nil
            try await withTaskExecutorPreference(executor) {
                let duplex = try #require(try await Self.connect(stand).duplex)
                #expect(try await duplex.read() == Bytes([1]))
                #expect(try await duplex.read() == nil)
                try await duplex.write(Bytes("last"))
                try await duplex.finish()
                duplex.close()
            }
            try await eventually("the end was sent") {
                stand.frames().contains { $0.type == Frames.dataType && $0.flags == 1 }
            }
            let sent = stand.frames().filter { $0.stream == 1 && $0.type == Frames.dataType }
            #expect(sent.flatMap(\.payload) == Array("last".utf8))
            #expect(!stand.frames().contains { $0.type == Frames.resetType })
        }
    }

    @Test func nothingIsSentBeforeThePeerAnnouncesTheMethod() async throws {
        var tuning = EngineTuning.default
        tuning.http2.streamsBeforeSettings = 2
        try await withHTTP2(
            [
                .request(1), .signal("connected"), .waitForSignal("settings"),
                .send(Self.offering + Frames.answer(1)), .request(3), .send(Frames.head(3)),
                .readUntilEnd,
            ], tuning: tuning
        ) { stand in
            async let response = Self.connect(stand)
            try await eventually("it was handed to its connection") { stand.story.starts == 1 }
            // An ordinary request after it is sent first.
            async let ordinary = stand.get()
            #expect(await stand.signal("connected"))
            #expect(stand.frames().count { $0.type == Frames.headersType } == 1)
            stand.peer.release("settings")
            #expect(try await ordinary == "ok")
            let opened = try await response
            #expect(opened.duplex != nil)
        }
    }

    @Test(arguments: [TransportError.Phase.head, .total])
    func waitingForSettingsHasTheRequestsOwnTimeouts(_ phase: TransportError.Phase) async throws {
        try await withHTTP2([.silence]) { stand in
            var options = RequestOptions()
            if phase == .head { options.headTimeout = .milliseconds(50) }
            if phase == .total { options.totalTimeout = .milliseconds(50) }
            let error = await transportError {
                _ = try await Self.connect(stand, "websocket", options)
            }
            #expect(error?.kind == .timeout)
            #expect(error?.phase == phase || error?.phase == .pool)
            #expect(error?.replay == .notSent)
            try await eventually("its slot is free") { stand.engine.snapshot().exchanges == 0 }
        }
    }

    @Test func aRequestThatWaitsForSettingsCanBeCancelled() async throws {
        try await withHTTP2(
            [.waitForSignal("settings"), .send(Self.offering)] + .answering(1) + [.readUntilEnd]
        ) { stand in
            let task = Task(executorPreference: stand.engine.taskExecutor) {
                try await Self.connect(stand)
            }
            try await eventually("it was handed to its connection") { stand.story.starts == 1 }
            await stand.turnOfLoop()
            task.cancel()
            let error = await transportError { _ = try await task.value }
            #expect(error?.kind == .cancelled)
            try await eventually("its slot is free") { stand.engine.snapshot().exchanges == 0 }
            stand.peer.release("settings")
            // What was cancelled is never sent: stream 1 is the next request's.
            try await stand.works()
            #expect(stand.frames().count { $0.type == Frames.headersType } == 1)
            #expect(stand.peer.connectionCount == 1)
        }
    }

    @Test func aPeerThatDoesNotOfferItIsNotAsked() async throws {
        try await withHTTP2(.wellBehaved(2)) { stand in
            try await stand.works()
            let error = await transportError { _ = try await Self.connect(stand) }
            #expect(error?.kind.name == "invalidRequest")
            #expect(error?.replay == .notSent)
            try await stand.works()
            #expect(stand.peer.connectionCount == 1)
        }
    }

    @Test func aRefusalIsAResponseLikeAnyOther() async throws {
        try await withHTTP2(
            [
                .send(Self.offering), .request(1),
                .send(Frames.head(1, 403) + Frames.data(1, Array("no".utf8), end: true)),
            ] + .answering(3) + [.readUntilEnd]
        ) { stand in
            let response = try await Self.connect(stand)
            #expect(response.status.code == 403)
            #expect(response.duplex == nil)
            #expect(try await text(of: response) == "no")
            try await stand.works()
            #expect(stand.peer.connectionCount == 1)
        }
    }

    @Test(arguments: [true, false])
    func closingResetsTheStreamAlone(_ isExplicit: Bool) async throws {
        try await withHTTP2(
            [.send(Self.offering), .request(1), .send(Frames.head(1))] + .answering(3)
                + [.readUntilEnd]
        ) { stand in
            var response: Response? = try await Self.connect(stand)
            if isExplicit {
                let duplex = try #require(response?.duplex)
                duplex.close()
                duplex.close()
                let error = await transportError { _ = try await duplex.read() }
                #expect(error?.kind == .cancelled)
            }
            // Letting go closes too.
            response = nil
            _ = response
            try await stand.works()
            try await eventually("the reset") {
                stand.frames().contains { $0.type == Frames.resetType && $0.stream == 1 }
            }
            try await stand.settles(connections: 1)
            #expect(stand.peer.connectionCount == 1)
        }
    }

    @Test func aResetComesAfterTheReceivedBytes() async throws {
        try await withHTTP2(
            [
                .send(Self.offering), .request(1),
                .send(Frames.head(1) + Frames.data(1, [1]) + Frames.reset(1, 2)),
            ] + .answering(3) + [.readUntilEnd]
        ) { stand in
            let duplex = try #require(try await Self.connect(stand).duplex)
            #expect(try await duplex.read() == Bytes([1]))
            let error = await transportError { _ = try await duplex.read() }
            #expect(error?.kind == .h2Stream(code: 2))
            #expect(error?.replay == .responseStarted)
            let sent = await transportError { try await duplex.write(Bytes("x")) }
            #expect(sent?.kind == .h2Stream(code: 2))
            try await stand.works()
        }
    }

    @Test func aCancelledReadTakesNothing() async throws {
        try await withHTTP2(
            [
                .send(Self.offering), .request(1), .send(Frames.head(1)),
                .waitForSignal("send"), .send(Frames.data(1, [7], end: true)), .readUntilEnd,
            ]
        ) { stand in
            let duplex = try #require(try await Self.connect(stand).duplex)
            let reading = Task { try await duplex.read() }
            reading.cancel()
            let error = await transportError { _ = try await reading.value }
            #expect(error?.kind == .cancelled)
            stand.peer.release("send")
            #expect(try await duplex.read() == Bytes([7]))
            #expect(try await duplex.read() == nil)
        }
    }

    @Test func aWriterWaitsWhileThePeerTakesNothing() async throws {
        var tuning = EngineTuning.default
        tuning.limits.uploadBufferBytes = 1024
        try await withHTTP2(
            [
                .send(Self.offering), .request(1), .send(Frames.head(1)),
                .expectData(1, 65_535), .signal("full"), .waitForSignal("more"),
                .send(Frames.windowUpdate(0, 1 << 20) + Frames.windowUpdate(1, 1 << 20)),
                .readUntilEnd,
            ], tuning: tuning
        ) { stand in
            let duplex = try #require(try await Self.connect(stand).duplex)
            let isDone = Guarded(false)
            async let writing: Void = {
                try await duplex.write(Bytes([UInt8](repeating: 1, count: 100_000)))
                isDone.withLock { $0 = true }
            }()
            #expect(await stand.signal("full"))
            #expect(!isDone.withLock { $0 })
            stand.peer.release("more")
            try await writing
            #expect(isDone.withLock { $0 })
        }
    }

    @Test func theEndOfTheConnectionIsReported() async throws {
        try await withHTTP2(
            [
                .send(Self.offering), .request(1), .send(Frames.head(1) + Frames.data(1, [1])),
                .halfClose, .readUntilEnd,
            ], .wellBehaved()
        ) { stand in
            let duplex = try #require(try await Self.connect(stand).duplex)
            #expect(try await duplex.read() == Bytes([1]))
            let error = await transportError { _ = try await duplex.read() }
            #expect(error?.kind == .truncated)
            try await stand.works()
        }
    }

    @Test(
        arguments: [
            (Ending.reset, .h2Stream(code: 8)), (.goAwayAndReset, .h2Stream(code: 2)),
            (.endOfConnection, .truncated),
        ] as [(Ending, TransportError.Kind)])
    func aWriteAfterThePeersEndReportsTheStreams(
        _ ending: Ending, _ kind: TransportError.Kind
    ) async throws {
        var tuning = EngineTuning.default
        tuning.limits.uploadBufferBytes = 1024
        try await withHTTP2(
            [
                .send(Self.offering), .request(1),
                .send(Frames.head(1) + Frames.data(1, [1], end: true)),
                // A writer waits for room by now.
                .expectData(1, 65_535), .signal("full"), .waitForSignal("end"),
            ] + ending.steps + [.readUntilEnd], .wellBehaved(), tuning: tuning
        ) { stand in
            let duplex = try #require(try await Self.connect(stand).duplex)
            #expect(try await duplex.read() == Bytes([1]))
            #expect(try await duplex.read() == nil)
            async let writing = transportError {
                try await duplex.write(Bytes([UInt8](repeating: 1, count: 100_000)))
            }
            #expect(await stand.signal("full"))
            stand.peer.release("end")
            let waited = await writing
            #expect(waited?.kind == kind)
            #expect(waited?.bytesSent == 65_535)
            let late = await transportError { try await duplex.write(Bytes("late")) }
            #expect(late?.kind == kind)
            // What the peer had said to its end stays said.
            #expect(try await duplex.read() == nil)
            try await eventually("its slot is free") { stand.engine.snapshot().exchanges == 0 }
        }
    }

    @Test func anEndAndAResetInOneReadAreBothReported() async throws {
        try await withHTTP2(
            [
                .send(Self.offering), .request(1),
                .send(Frames.head(1) + Frames.data(1, [1], end: true) + Frames.reset(1, 8)),
            ] + .answering(3) + [.readUntilEnd]
        ) { stand in
            let duplex = try #require(try await Self.connect(stand).duplex)
            #expect(try await duplex.read() == Bytes([1]))
            #expect(try await duplex.read() == nil)
            try await stand.works()
            let late = await transportError { try await duplex.write(Bytes("late")) }
            #expect(late?.kind == .h2Stream(code: 8))
            try await stand.settles(connections: 1)
        }
    }

    /// How a stream ends whose peer had ended its own side.
    enum Ending: String, Sendable, CustomTestStringConvertible {
        case reset, goAwayAndReset, endOfConnection

        var testDescription: String { rawValue }

        var steps: [ScriptedPeer.Step] {
            switch self {
            case .reset: [.send(HTTP2Frames.reset(1, 8))]
            case .goAwayAndReset: [.send(HTTP2Frames.goAway(1) + HTTP2Frames.reset(1, 2))]
            case .endOfConnection: [.halfClose]
            }
        }
    }

    @Test(arguments: ["", "a b", "a,b", "a\r\nb"])
    func anInvalidNameIsRefused(_ name: String) async throws {
        try await withHTTP2(.wellBehaved(1)) { stand in
            let error = await transportError { _ = try await Self.connect(stand, name) }
            #expect(error?.kind.name == "invalidRequest")
            #expect(stand.peer.connectionCount == 0)
        }
    }
}
