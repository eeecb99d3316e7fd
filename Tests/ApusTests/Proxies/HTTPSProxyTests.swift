import Apus
import Loopback
import Testing

/// A proxy over TLS: its handshake, its records, its ends.
@Suite(.timeLimit(.minutes(5))) struct HTTPSProxyTests {
    private static let leaf = FixturePaths.certificate("leaf")

    @Test(
        "row 52: a proxy's flood of KeyUpdates ends the dial, a few do not", arguments: [5, 5000])
    func keyUpdates(count: Int) async throws {
        try await withPeer([
            .startTLS(Self.leaf, alpn: ["http/1.1"]), .expectHead, .keyUpdates(count),
            .sendText("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), .readUntilEnd,
        ]) { client, _ in
            let error = await dialError(client, "https://name.test/")
            let expected = count > 100 ? TransportError.Kind.proxyFailed : .proxyStatus(403)
            #expect(error?.kind == expected, "\(String(describing: error))")
            #expect(error?.phase == .proxy)
            #expect(error?.hop == .proxy)
        }
    }

    @Test("row 51: a proxy that chooses a protocol that was not offered")
    func anUnknownProtocol() async throws {
        try await withPeer([.startOddTLS(Self.leaf, alpn: "h3"), .readUntilEnd]) { client, peer in
            let error = await dialError(client, "https://name.test/")
            #expect(error?.kind == .tlsHandshake, "\(String(describing: error))")
            #expect(error?.phase == .tls)
            #expect(error?.hop == .proxy)
            #expect(peer.connectionCount == 1)
        }
    }

    @Test(
        "rows 79, 83: a proxy that closes during its handshake, after it, or with an alert",
        arguments: [
            ([.close], "tlsHandshake"), ([.expectBytes(1), .reset], "tlsHandshake"),
            ([.startTLS(leaf, alpn: ["http/1.1"]), .expectHead, .close], "proxy"),
            ([.startTLS(leaf, alpn: ["http/1.1"]), .expectHead, .closeNotify, .close], "proxy"),
            ([.startTLS(leaf, alpn: ["http/1.1"]), .expectHead, .fatalAlert], "proxy"),
            ([.startTLS(leaf, alpn: ["h2"]), .expectBytes(24), .close], "proxy"),
            (
                [
                    .startTLS(leaf, alpn: ["h2"]), .expectBytes(24),
                    .sendText("HTTP/1.1 400 Bad Request\r\n\r\n"), .readUntilEnd,
                ], "proxy"
            ),
        ] as [([ScriptedPeer.Step], String)])
    func theProxyLeaves(_ script: [ScriptedPeer.Step], _ kind: String) async throws {
        try await withPeer(script) { client, _ in
            let error = await dialError(client, "https://name.test/")
            #expect(error?.kind.name == kind, "\(String(describing: error))")
            #expect(error?.hop == .proxy)
        }
    }

    @Test("row 80: a proxy that stalls in its handshake costs the budget of TLS")
    func aStall() async throws {
        var tuning = relaxedTuning
        tuning.dial.tlsTimeout = .milliseconds(100)
        try await withPeer([.silence], tuning) { client, _ in
            let error = await dialError(client, "https://name.test/")
            #expect(error?.kind == .timeout, "\(String(describing: error))")
            #expect(error?.phase == .tls)
            #expect(error?.hop == .proxy)
        }
    }

    private func withPeer(
        _ script: [ScriptedPeer.Step], _ tuning: EngineTuning = relaxedTuning,
        _ body: (ExecutorClient, ScriptedPeer) async throws -> Void
    ) async throws {
        try FixturePaths.ensureCertificates()
        let peer = try ScriptedPeer(everyConnection: script)
        defer { peer.stop() }
        try await withEngine(tuning, ports: [peer.port]) { engine in
            let setting = try ProxySetting(parsing: "https://localhost:\(peer.port)")
            try await body(ExecutorClient(engine, proxy: setting), peer)
        }
    }
}
