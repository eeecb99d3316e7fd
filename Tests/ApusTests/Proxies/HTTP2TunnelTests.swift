import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// What a proxy that chose HTTP/2 sends after its answer to CONNECT, in place of it, and while the
/// tunnel is not read.
@Suite(.timeLimit(.minutes(5))) struct HTTP2TunnelTests {
    /// How the bytes of a proxy are cut into writes.
    enum Cut: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case coalesced, byFrame, byByte

        var testDescription: String { rawValue }

        func steps(_ frames: [[UInt8]]) -> [ScriptedPeer.Step] {
            switch self {
            case .coalesced: [.send(frames.flatMap { $0 })]
            case .byFrame: frames.map { .send($0) }
            case .byByte: [.sendByteByByte(frames.flatMap { $0 })]
            }
        }
    }

    /// The beginning of each script: TLS, SETTINGS, and the CONNECT on stream 1.
    private static var asked: [ScriptedPeer.Step] {
        [
            .startTLS(FixturePaths.certificate("leaf"), alpn: ["h2"]), .send(Frames.settings()),
            .request(1), .send(Frames.frame(Frames.settingsType, flags: 1)),
        ]
    }

    private func withProxy(
        _ script: [ScriptedPeer.Step], tuning: EngineTuning = relaxedTuning,
        _ body: (ScriptedPeer, TransportEngine, ProxySetting) async throws -> Void
    ) async throws {
        try FixturePaths.ensureCertificates()
        let peer = try ScriptedPeer(everyConnection: Self.asked + script)
        defer { peer.stop() }
        try await withEngine(tuning, ports: [peer.port]) { engine in
            let variant = try ProxySetting(parsing: "https://localhost:\(peer.port)")
            try await body(peer, engine, variant)
        }
    }

    @Test(
        "an HTTP/2 origin that sends its SETTINGS in the same write as the proxy's 2xx is heard",
        arguments: Cut.allCases)
    func anOriginThatSpeaksFirst(_ cut: Cut) async throws {
        let script =
            cut.steps([Frames.head(1), Frames.data(1, Frames.settings())])
            // Preface, SETTINGS, its window and an acknowledgement are 73 bytes: HEADERS follow.
            + [.expectData(1, 80), .send(Frames.data(1, Frames.answer(1))), .readUntilEnd]
        try await withProxy(script) { peer, engine, variant in
            let client = ExecutorClient(engine, proxy: variant, versions: .http2Only)
            let response = try await client.send(.get("http://origin.test/"))
            #expect(try await text(of: response) == "ok")
            #expect(peer.connectionCount == 1)
        }
    }

    @Test(
        "bytes that follow the proxy's 2xx are read, also where the tunnel's end follows at once",
        arguments: Cut.allCases, [true, false])
    func aBanner(_ cut: Cut, endsAtOnce: Bool) async throws {
        let banner = "220 ready\r\n"
        let frames = [
            Frames.head(1), Frames.data(1, Array("220 ".utf8)),
            Frames.data(1, Array("ready\r\n".utf8), end: endsAtOnce),
        ]
        try await withProxy(cut.steps(frames) + [.readUntilEnd]) { _, engine, variant in
            let tunnel = try await engine.dialTunnel(to: "origin.test:25", via: variant)
            #expect(try await tunnel.read(atLeast: banner.utf8.count) == banner)
            if endsAtOnce { #expect(try await tunnel.read() == nil) }
            tunnel.close()
        }
    }

    /// An answer to CONNECT that HTTP/2 does not allow.
    static let malformed: [(name: String, fields: [(String, String)])] = [
        ("101", [(":status", "101")]), ("2x0", [(":status", "2x0")]),
        ("no status", [("server", "x")]),
        ("an upper-case name", [(":status", "200"), ("X-A", "b")]),
        ("two", [(":status", "200"), (":status", "200")]),
    ]

    @Test("a malformed answer to CONNECT fails at once", arguments: malformed.indices)
    func aMalformedAnswerFailsAtOnce(_ index: Int) async throws {
        // A bound far away: on time alone nothing ends here before the suite's own limit.
        var tuning = relaxedTuning
        tuning.dial.proxyTimeout = .seconds(60)
        let answer = Frames.fields(1, Self.malformed[index].fields)
        try await withProxy([.send(answer), .readUntilEnd], tuning: tuning) { _, engine, variant in
            let client = ExecutorClient(engine, proxy: variant)
            let error = await dialError(client, "https://name.test/")
            #expect(error?.kind == .proxyFailed, "\(String(describing: error))")
            #expect(error?.phase == .proxy)
            #expect(error?.hop == .proxy)
        }
    }

    @Test("a proxy's PINGs and SETTINGS are answered while the tunnel is not read")
    func controlFramesAreAnsweredWhileTheConsumerIsSlow() async throws {
        var tuning = relaxedTuning
        tuning.limits.bodyBufferBytes = 1_024
        let size = 350_000
        let body = BodyPattern.bytes(size)
        let head = Array("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n".utf8)
        func data(_ range: Range<Int>) -> [UInt8] {
            stride(from: range.lowerBound, to: range.upperBound, by: 16_000).flatMap {
                Frames.data(1, Array(body[$0..<min($0 + 16_000, range.upperBound)]))
            }
        }
        let script: [ScriptedPeer.Step] =
            [.send(Frames.head(1)), .expectData(1, 10)]
            // All but a little of the stream's window.
            + [.send(Frames.data(1, head) + data(0..<200_000)), .waitForSignal("paused")]
            + [.send(Frames.settings([(3, 50)]) + Frames.ping(9))]
            + [.expectAnsweredPing(9), .signal("answered"), .expectFrame(8, stream: 1)]
            + [.send(data(200_000..<size)), .readUntilEnd]
        try await withProxy(script, tuning: tuning) { peer, engine, variant in
            // HTTP/1.1 in the clear goes through no tunnel, so a raw one carries it.
            let tunnel = try await engine.dialTunnel(to: "origin.test:80", via: variant)
            try await tunnel.write(Bytes("GET / HTTP/1.1\r\n\r\n"))
            let first = try await tunnel.read()
            #expect(first?.isEmpty == false)
            peer.release("paused")
            #expect(await peer.signal("answered", timeout: .seconds(60)))
            var received = first?.array ?? []
            while received.count < head.count + size, let piece = try await tunnel.read() {
                received += piece.array
            }
            #expect(received == head + body)
            tunnel.close()
        }
    }
}

extension ScriptedPeer.Step {
    /// Reads until the answer to this PING has come, and to SETTINGS before it.
    fileprivate static func expectAnsweredPing(_ number: UInt8) -> Self {
        .expect { bytes in
            let answers = HTTP2Frames.frames(Array(bytes)).filter { $0.flags == 1 }
            let isPing = answers.contains {
                $0.type == HTTP2Frames.pingType && $0.payload.last == number
            }
            let isSettings = answers.contains { $0.type == HTTP2Frames.settingsType }
            return isPing && isSettings ? bytes.count : nil
        }
    }
}
