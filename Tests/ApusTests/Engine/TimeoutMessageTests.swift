import Apus
import Loopback
import Testing

/// The message of a timeout names the option and the time, so that its reader knows what to change.
@Suite(.timeLimit(.minutes(5))) struct TimeoutMessageTests {
    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge])
    func theTimeoutsOfARequestNameThemselves(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let cases:
                [(any WritableKeyPath<RequestOptions, Duration?> & Sendable, String, String)] = [
                    (
                        \.totalTimeout, "/hang",
                        "no end of the response within 200 ms (totalTimeout)"
                    ),
                    (\.headTimeout, "/hang", "no final head within 200 ms (headTimeout)"),
                    (
                        \.readIdleTimeout, "/head-then-hang",
                        "no byte of the body for 200 ms (readIdleTimeout)"
                    ),
                ]
            for (path, target, message) in cases {
                var options = RequestOptions()
                options[keyPath: path] = .milliseconds(200)
                // The time is not spent on a dial.
                _ = try await stand.client.send(.get(stand.url("/bytes/2"))).body.collect(upTo: 2)
                let error = await transportError { [options] in
                    let response = try await stand.client.send(
                        .get(stand.url(target)), options: options)
                    for try await _ in response.body {}
                }
                #expect(error?.kind == .timeout)
                #expect(error?.message == message)
            }
        }
    }

    @Test func theTimeoutsOfADialNameThemselves() async throws {
        let listener = try FullListener()
        var tuning = relaxedTuning
        tuning.dial.tcpTimeout = .milliseconds(50)
        try await withEngine(tuning) { engine in
            let error = await dialError(engine, "http://127.0.0.1:\(listener.port)/")
            #expect(error?.message == "no address answered within 50 ms (dial.tcpTimeout)")
        }
        tuning.dial.tcpTimeout = nil
        tuning.dial.resolveTimeout = nil
        tuning.dial.tlsTimeout = nil
        tuning.dial.proxyTimeout = nil
        tuning.dial.connectTimeout = .milliseconds(50)
        try await withEngine(tuning) { engine in
            let error = await dialError(engine, "http://127.0.0.1:\(listener.port)/")
            #expect(error?.message == "no address answered within 50 ms (dial.connectTimeout)")
        }
    }

    @Test(arguments: ["https", "proxy"])
    func theTimeoutsOfAHandshakeNameThemselves(_ kind: String) async throws {
        let peer = try ScriptedPeer([[.readUntilEnd]])
        defer { peer.stop() }
        var tuning = relaxedTuning
        tuning.dial.tlsTimeout = .milliseconds(50)
        tuning.dial.proxyTimeout = .milliseconds(50)
        try await withEngine(tuning) { engine in
            var options = RequestOptions()
            if kind == "proxy" {
                options.proxy = try ProxySetting(parsing: "socks5h://127.0.0.1:\(peer.port)")
            }
            let error = await dialError(
                engine, kind == "proxy" ? "http://a.test/" : "https://127.0.0.1:\(peer.port)/",
                options: options)
            #expect(
                error?.message
                    == (kind == "proxy"
                        ? "the proxy did not answer within 50 ms (dial.proxyTimeout)"
                        : "the TLS handshake did not end within 50 ms (dial.tlsTimeout)"))
        }
    }
}
