import Apus
import Loopback
import Testing

/// Row 90, after the dial: cancelled wherever an exchange waits, and its place goes to the next.
///
/// `DialCancellationTests` has the waits before: name, connect, proxy, TLS.
@Suite(.timeLimit(.minutes(5))) struct CancellationPointTests {
    /// Where the exchange waits when its task is cancelled.
    enum Point: String, CaseIterable, Sendable {
        case sendingTheBody, awaitingTheHead, readingTheBody
    }

    @Test(
        "row 90: cancelled in the exchange, the slot goes to who waits",
        arguments: ProtocolVariant.allCases, Point.allCases)
    func inTheExchange(_ variant: ProtocolVariant, _ point: Point) async throws {
        try await withNarrowStand(variant) { stand in
            try await cancel(at: point, stand, stand.client)
        }
    }

    @Test(
        "row 90: cancelled in an exchange through a proxy's tunnel",
        arguments: [ProtocolVariant.http1OverTLS, .http2OverTLS], Point.allCases)
    func throughATunnel(_ variant: ProtocolVariant, _ point: Point) async throws {
        let proxy = try LoopbackConnectProxy()
        try await withNarrowStand(variant) { stand in
            let setting = try ProxySetting(parsing: "http://127.0.0.1:\(proxy.port)")
            try await cancel(
                at: point, stand,
                ExecutorClient(stand.engine, proxy: setting, versions: variant.versions))
            #expect(proxy.connectRequests.count == (variant.isHTTP2 ? 1 : 2))
            #expect(descriptors(connectedTo: proxy.port) == 1)
        }
        #expect(descriptors(connectedTo: proxy.port) == 0)
        proxy.stop()
    }

    private func cancel(
        at point: Point, _ stand: Stand, _ client: ExecutorClient
    ) async throws {
        let (endless, tap) = AsyncThrowingStream<Bytes, any Error>.makeStream()
        let task = Task { try await Self.wait(at: point, stand, client, endless) }
        tap.yield(Bytes("x"))
        try await eventually("it is there") { stand.server.counters.currentRequests == 1 }
        let next = Task { try await client.send(.get(stand.url("/bytes/100"))) }
        try await eventually("the next one waits") { stand.engine.snapshot().waiting == 1 }
        // The origin never answers, so that only the cancel can end it.
        task.cancel()
        let error = await transportError { try await task.value }
        #expect(error?.kind == .cancelled)
        let response = try await next.value
        #expect(try await checkPattern(response.body) == 100)
        let counters = stand.engine.snapshot().counters
        if stand.variant.isHTTP2 {
            #expect(response.info.isReused, "a stream's end spares its connection")
            #expect(counters.closes.isEmpty)
            #expect(stand.server.counters.cancelledStreams == 1)
        } else {
            #expect(counters.closes == ["cancelled": 1])
            #expect(stand.server.counters.connectionsAccepted == 2)
        }
        tap.finish()
    }

    /// `HTTP2StallTests` has the head that waits for a full socket on HTTP/2.
    @Test(
        "row 90: cancelled while an upload's head goes out, which the peer does not read",
        arguments: [ProtocolVariant.http1, .http1OverTLS])
    func inTheHead(_ variant: ProtocolVariant) async throws {
        try FixturePaths.ensureCertificates()
        let handshake: [ScriptedPeer.Step] =
            variant.isTLS ? [.startTLS(FixturePaths.certificate("leaf"), alpn: ["http/1.1"])] : []
        let peer = try ScriptedPeer([
            handshake + [.signal("established"), .silence],
            handshake + FaultStand.goodExchange + [.readUntilEnd],
        ])
        var tuning = relaxedTuning
        tuning.pool.maxConnectionsPerHost = 1
        try await withEngine(tuning, ports: [peer.port]) { engine in
            let url = "\(variant.isTLS ? "https" : "http")://localhost:\(peer.port)/"
            // More than the sockets of both ends hold together.
            let large: HTTPFields = [.cookie: String(repeating: "x", count: 16 << 20)]
            let (endless, tap) = AsyncThrowingStream<Bytes, any Error>.makeStream()
            tap.yield(Bytes("x"))
            let task = Task {
                _ = try await engine.send(
                    .post(url, fields: large), body: .oneShot { endless })
            }
            #expect(await peer.signal("established"))
            try await fillSocket(connectedTo: peer.port)
            let next = Task { try await fetch(engine, url) }
            try await eventually("the next one waits") { engine.snapshot().waiting == 1 }
            task.cancel()
            let error = await transportError { try await task.value }
            #expect(error?.kind == .cancelled)
            #expect(error?.phase == .send)
            #expect(error?.bytesSent == 0, "the body waits after the head")
            #expect(error?.replay == .unknown)
            #expect(try await next.value == 200)
            #expect(engine.snapshot().counters.closes == ["cancelled": 1])
            #expect(peer.connectionCount == 2)
            tap.finish()
        }
        peer.stop()
    }

    @Test("row 90: cancelled while it waits for a connection", arguments: ProtocolVariant.allCases)
    func inTheQueue(_ variant: ProtocolVariant) async throws {
        try await withNarrowStand(variant) { stand in
            let holder = try await stand.get("/bytes/3000000")
            let waiters = (0..<3).map { _ in Task { try await stand.get("/bytes/100") } }
            try await eventually("three wait") { stand.engine.snapshot().waiting == 3 }
            waiters[1].cancel()
            let error = await transportError { _ = try await waiters[1].value }
            #expect(error?.kind == .cancelled)
            #expect(error?.phase == .pool)
            #expect(error?.replay == .notSent)
            #expect(stand.engine.snapshot().waiting == 2)
            #expect(try await checkPattern(holder.body) == 3_000_000)
            for waiter in [waiters[0], waiters[2]] {
                #expect(try await checkPattern(waiter.value.body) == 100)
            }
            #expect(stand.server.counters.connectionsAccepted == 1)
            #expect(stand.engine.snapshot().counters.abandonedWaits == 1)
        }
    }

    @Test("row 90: cancelled while the trailers are awaited")
    func inTheTrailers() async throws {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n"
        let peer = try ScriptedPeer([
            [.expectHead, .sendText(head + "3\r\nabc\r\n0\r\nx-su"), .readUntilEnd],
            [.expectHead, .sendText("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), .silence],
        ])
        var tuning = relaxedTuning
        tuning.pool.maxConnectionsPerHost = 1
        try await withEngine(tuning, ports: [peer.port]) { engine in
            let url = "http://127.0.0.1:\(peer.port)/"
            let reached = Shared(false)
            let task = Task {
                let body = try await engine.send(.get(url)).body
                for try await piece in body where piece == Bytes("abc") { reached.value = true }
            }
            try await eventually("the body has come") { reached.value }
            let next = Task { try await fetch(engine, url) }
            try await eventually("the next one waits") { engine.snapshot().waiting == 1 }
            task.cancel()
            #expect(await transportError { try await task.value }?.kind == .cancelled)
            #expect(try await next.value == 200)
            try await eventually("the peer has read the end") { peer.transcript(0).hasEnded }
        }
        peer.stop()
    }

    @Test("row 90: cancelled within the trailers of a stream, whose connection goes on")
    func inTheTrailersOfAStream() async throws {
        typealias Frames = HTTP2Frames
        // A section in two frames, the second of which arrives after the cancel.
        let (begun, rest) = ([0, 1, 0x61, 1] as [UInt8], [0x62] as [UInt8])
        var tuning = relaxedTuning
        tuning.pool.maxConnectionsPerHost = 1
        tuning.http2.maxStreamsPerConnection = 1
        try await withHTTP2(
            [
                .send(Frames.settings()), .request(1),
                .send(
                    Frames.head(1) + Frames.data(1, Array("abc".utf8))
                        + Frames.frame(Frames.headersType, flags: 1, stream: 1, begun)),
                .expectFrame(Frames.resetType, stream: 1),
                .send(Frames.frame(9, flags: 4, stream: 1, rest)),
            ] + .answering(3) + [.readUntilEnd], tuning: tuning
        ) { stand in
            let reached = Shared(false)
            let task = Task {
                let body = try await stand.client.send(.get(stand.url)).body
                for try await piece in body where piece == Bytes("abc") { reached.value = true }
            }
            try await eventually("the body has come") { reached.value }
            let next = Task { try await stand.get() }
            try await eventually("the next one waits") { stand.engine.snapshot().waiting == 1 }
            task.cancel()
            #expect(await transportError { try await task.value }?.kind == .cancelled)
            #expect(try await next.value == "ok")
            #expect(stand.peer.connectionCount == 1)
            #expect(stand.story.closes.isEmpty)
        }
    }

    /// A place for one exchange at a time.
    private func withNarrowStand(
        _ variant: ProtocolVariant, _ body: (Stand) async throws -> Void
    ) async throws {
        var tuning = EngineTuning.executor
        tuning.pool.maxConnectionsPerHost = 1
        tuning.http2.maxConnectionsPerHost = 1
        tuning.http2.maxStreamsPerConnection = 1
        try await withStand(variant, tuning: tuning, body)
    }

    private static func wait(
        at point: Point, _ stand: Stand, _ client: ExecutorClient,
        _ upload: AsyncThrowingStream<Bytes, any Error>
    ) async throws {
        switch point {
        case .sendingTheBody:
            _ = try await client.send(.post(stand.url("/sink")), body: .oneShot { upload })
        case .awaitingTheHead: _ = try await client.send(.get(stand.url("/hang")))
        case .readingTheBody:
            for try await _ in try await client.send(.get(stand.url("/head-then-hang"))).body {}
        }
    }
}
