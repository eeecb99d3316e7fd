import Apus
import ApusEngine
import Loopback
import Testing

/// A host that is a number is replaced by the address that it spells.
@Suite(.timeLimit(.minutes(5))) struct HostNumberTests {
    @Test(
        "each spelling of an address is that address to the peer, the pool and the exceptions",
        arguments: ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "127.0.0.1.", "0x7F000001"])
    func spellings(_ host: String) async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        try await withEngine(resolver: StubResolver(), ports: [server.port]) { engine in
            try await expectStatus(200, engine, "http://127.0.0.1:\(server.port)/")
            let exceptions = try ProxySetting.fromEnvironment([
                "http_proxy": "http://127.0.0.1:1", "no_proxy": "127.0.0.0/8",
            ])
            for client in [
                ExecutorClient(engine), ExecutorClient(engine, proxy: exceptions),
            ] {
                let response = try await client.send(
                    .get("http://\(host):\(server.port)/headers"))
                let head = String(try await response.body.collect(upTo: 9999))
                #expect(head.lowercased().contains("host: 127.0.0.1:\(server.port)\r\n"), "\(head)")
                #expect(response.info.isReused)
            }
            #expect(engine.snapshot().connectionsOpened == 1)
            let route = try engine.route(to: "http://\(host):\(server.port)/")
            #expect(route.origin.host == "127.0.0.1")
        }
    }

    @Test("IPv6 in a long spelling is sent in its canonical one")
    func ipv6() async throws {
        var options = LoopbackServer.Options()
        options.ipv6 = true
        let server = try LoopbackServer(options)
        defer { server.stop() }
        try await withEngine { engine in
            let response = try await engine.send(
                .get("http://[0:0:0:0:0:0:0:1]:\(server.port)/headers"))
            let head = String(try await response.body.collect(upTo: 9999))
            #expect(head.lowercased().contains("host: [::1]:\(server.port)\r\n"), "\(head)")
        }
    }
}
