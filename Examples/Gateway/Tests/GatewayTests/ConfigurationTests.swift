import Apus
import Gateway
import Logging
import Testing

@Suite struct ConfigurationTests {
    private static let file = """
        host: 127.0.0.2
        port: 9000
        drain_seconds: 2.5
        event_loops: 2
        proxy: http://user:hidden@127.0.0.1:3128
        upstreams:
          - name: messages
            origin: https://api.example.com
            paths: [/v1/messages, /v1/models]
            credential_field: x-api-key
            credential_prefix: ""
            first_byte_seconds: 30
            between_bytes_seconds: 0
            replay_bytes: 1000
            tries: 5
            http1_only: true
            models: /v1/models
            credentials:
              - {name: a, secret: hidden-a, proxy: direct, scope: tenant, max_requests: 7}
              - {name: b, secret: hidden-b}
          - name: rest
            origin: http://127.0.0.1:1
            credentials: [{name: c, secret: hidden-c}]
        """

    @Test func eachKeyIsRead() throws {
        let configuration = try GatewayConfiguration(yaml: Self.file)
        #expect(configuration.host == "127.0.0.2")
        #expect(configuration.port == 9000)
        #expect(configuration.drain == .milliseconds(2500))
        #expect(configuration.eventLoops == 2)
        let upstream = configuration.upstreams[0]
        #expect(upstream.paths == ["/v1/messages", "/v1/models"])
        #expect(upstream.credentialField == "x-api-key")
        #expect(upstream.credentialPrefix.isEmpty)
        #expect(upstream.firstByte == .seconds(30))
        #expect(upstream.betweenBytes == nil)
        #expect(upstream.replayBytes == 1000)
        #expect(upstream.tries == 5)
        #expect(upstream.http1Only)
        #expect(upstream.models == "/v1/models")
        #expect(upstream.credentials.map(\.name) == ["a", "b"])
        #expect(upstream.credentials[0].proxy == "direct")
        #expect(upstream.credentials[0].scope == "tenant")
        #expect(upstream.credentials[0].maxRequests == 7)
        #expect(upstream.credentials[1].maxRequests == nil)
        let rest = configuration.upstreams[1]
        #expect(rest.paths == ["/"])
        #expect(rest.credentialField == "Authorization")
        #expect(rest.firstByte == .seconds(60))
    }

    /// A credential's proxy comes before the gateway's.
    @Test func aGatewayIsMadeOfIt() async throws {
        let gateway = try Gateway(
            GatewayConfiguration(yaml: Self.file), logger: Logger(label: "test"))
        let credentials = gateway.upstreams[0].credentials
        #expect(credentials[0].proxy == .direct)
        #expect(credentials[1].proxy != .direct)
        #expect(gateway.upstreams[0].match("/v1/messages") == 12)
        #expect(gateway.upstreams[0].match("/v1/messages/batches") == 12)
        #expect(gateway.upstreams[0].match("/v1/messages2") == nil)
        #expect(gateway.upstreams[1].match("/anything") == 1)
        await end(gateway)
    }

    private static let wrong = [
        ("prot: 1", "unknown key \"prot\""), ("port: no", "port"), ("drain_seconds: -1", "drain"),
        ("upstreams: [{name: a}]", "origin"),
        ("upstreams: [{name: a, origin: ftp://x, credentials: [{name: c, secret: s}]}]", "scheme"),
        ("upstreams: [{name: a, origin: http://x}]", "choices"),
        ("upstreams: [{name: a, origin: http://x, credentials: [{name: c}]}]", "secret"),
        (
            "upstreams: [{name: a, origin: http://x, credentials: "
                + "[{name: c, secret: s, proxy: gopher://user:hidden@y}]}]", "proxy"
        ),
        (
            "upstreams: [{name: a, origin: http://x, credentials: "
                + "[{name: c, secret: \"hidden\\r\\nx: y\"}]}]", "Authorization"
        ),
        ("event_loops: 0", "eventLoops"),
    ]

    @Test(arguments: wrong) func aFaultIsNamedWithoutSecrets(text: String, name: String) {
        #expect {
            _ = try Gateway(GatewayConfiguration(yaml: text), logger: Logger(label: "test"))
        } throws: { error in
            let message = "\(error)"
            return message.lowercased().contains(name.lowercased()) && !message.contains("hidden")
        }
    }

    /// Nothing that can be shown holds a secret.
    @Test func theStatusHoldsNoSecret() async throws {
        let gateway = try Gateway(
            GatewayConfiguration(yaml: Self.file), logger: Logger(label: "test"))
        let json = StatusReport(gateway).json
        #expect(json.contains("127.0.0.1:3128"))
        #expect(!json.contains("hidden"))
        await end(gateway)
    }

    private func end(_ gateway: Gateway) async {
        await gateway.engine.shutdown()
        await gateway.plain.shutdown()
        for upstream in gateway.upstreams { await upstream.engine.shutdown() }
    }
}
