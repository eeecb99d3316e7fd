import Apus
import Loopback
import Testing

/// FAULTS 2.5 over real connections: routes differ in each part that a request can choose.
///
/// Equal values share a connection. Differences in an engine's tuning are tested in
/// `RouteMutationTests`, one layer down.
@Suite(.timeLimit(.minutes(5))) struct RouteIdentityTests {
    /// What one request says about its way.
    struct Choice: Sendable {
        var host = "localhost"
        var server = 0
        var proxy = "direct"
        var isolation: IsolationScope? = "scope"
        var versions = HTTPVersionPolicy.http1Only(alpn: .http1)
        var connectTo: ConnectTarget?
    }

    @Test("each changed part opens a connection, equal parts reuse one")
    func mutations() async throws {
        try await withStand(.http1OverTLS) { stand in
            let second = try LoopbackServer(.init(tls: FixturePaths.certificate("leaf")))
            var secure = LoopbackConnectProxy.Options()
            secure.tls = FixturePaths.certificate("leaf")
            let proxies = try (
                LoopbackConnectProxy(), LoopbackConnectProxy(), LoopbackConnectProxy(secure),
                LoopbackSOCKSProxy()
            )
            let http = "localhost:\(proxies.0.port)"
            let choices: [@Sendable (inout Choice) -> Void] = [
                { _ in },
                { $0.host = "127.0.0.1" },
                { $0.server = 1 },
                { $0.isolation = nil },
                { $0.isolation = "other" },
                { $0.versions = .http1Only(alpn: .omit) },
                { $0.versions = .http2Only },
                { $0.versions = .automatic },
                { $0.connectTo = .address("127.0.0.1", port: stand.server.port) },
                { $0.proxy = "http://\(http)" },
                { $0.proxy = "http://user:a@\(http)" },
                { $0.proxy = "http://user:b@\(http)" },
                { $0.proxy = "http://other:a@\(http)" },
                { [port = proxies.0.port] in $0.proxy = "http://127.0.0.1:\(port)" },
                { [port = proxies.1.port] in $0.proxy = "http://localhost:\(port)" },
                { [port = proxies.2.port] in $0.proxy = "https://localhost:\(port)" },
                { [port = proxies.3.port] in $0.proxy = "socks5://localhost:\(port)" },
                { [port = proxies.3.port] in $0.proxy = "socks5h://localhost:\(port)" },
            ]
            let ports = [stand.server.port, second.port]
            for round in 0..<2 {
                for (index, change) in choices.enumerated() {
                    var choice = Choice()
                    change(&choice)
                    let response = try await send(choice, to: ports[choice.server], stand.engine)
                    #expect(response.info.isReused == (round == 1), "choice \(index)")
                    _ = try await response.body.collect(upTo: 100)
                    let opened = round == 0 ? index + 1 : choices.count
                    #expect(stand.engine.snapshot().connectionsOpened == opened)
                }
            }
            proxies.0.stop()
            proxies.1.stop()
            proxies.2.stop()
            proxies.3.stop()
            await stand.engine.shutdown()
            second.stop()
        }
    }

    @Test("two Unix sockets whose names are one to Unicode are two servers")
    func namesOfUnixSockets() async throws {
        let folder = "/tmp/apus-test-\(UInt32.random(in: 0 ... .max))"
        let composed = try UnixAnswerer(path: "\(folder)-\u{E9}", answering: "composed")
        let decomposed = try UnixAnswerer(path: "\(folder)-e\u{301}", answering: "decomposed")
        defer {
            composed.stop()
            decomposed.stop()
        }
        #expect(composed.path == decomposed.path, "Swift takes them for one")
        try await withEngine { engine in
            for (path, word) in [
                (composed.path, "composed"), (decomposed.path, "decomposed"),
                (composed.path, "composed"),
            ] {
                var options = RequestOptions()
                options.connectTo = .unixSocket(path: path)
                let response = try await engine.send(.get("http://name.test/"), options: options)
                #expect(String(try await response.body.collect(upTo: 100)) == word)
            }
            #expect(engine.snapshot().connectionsOpened == 2)
        }
    }

    @Test("an authority that is equal to a known one only to Unicode is refused as ever")
    func authoritiesAreBytes() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        try await withEngine(resolver: StubResolver("127.0.0.1"), ports: [server.port]) { engine in
            for (host, isFine) in [("K.test", true), ("\u{212A}.test", false)] {
                let request = HTTPRequest(
                    method: .get, scheme: "http", authority: "\(host):\(server.port)", path: "/")
                if isFine {
                    let response = try await engine.send(request)
                    _ = try await response.body.collect(upTo: 100)
                } else {
                    let error = await transportError { _ = try await engine.send(request) }
                    #expect(error?.kind.name == "invalidRequest", "\(String(describing: error))")
                }
            }
        }
    }

    private func send(
        _ choice: Choice, to port: UInt16, _ engine: TransportEngine
    ) async throws -> Response {
        let client = ExecutorClient(
            engine, proxy: try ProxySetting(parsing: choice.proxy), isolation: choice.isolation,
            versions: choice.versions)
        var options = RequestOptions()
        options.connectTo = choice.connectTo
        return try await client.send(.get("https://\(choice.host):\(port)/"), options: options)
    }
}
