import Apus
import Loopback
import Testing

/// FAULTS 2.5 over real connections: each part of a route that a request can choose tells it apart.
///
/// Equal values share a connection. What an engine's tuning adds is told apart in
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
