import Apus
import ApusEngine
import ApusSocket
import Loopback
import Testing

/// What `connectTo` may say, and what a proxy hears of it.
@Suite(.timeLimit(.minutes(5))) struct ConnectTargetTests {
    static let bad: [(String, ConnectTarget)] = [
        ("a name", .address("name.test", port: 1)),
        ("a control byte", .address("a\r\nb", port: 1)),
        ("a zero byte", .address("127.0.0.1\u{0}", port: 1)),
        ("nothing", .address("", port: 1)),
        ("brackets", .address("[::1]", port: 1)),
        ("a short number", .address("127.1", port: 1)),
        ("port 0", .address("127.0.0.1", port: 0)),
        ("an empty path", .unixSocket(path: "")),
        ("a zero byte in a path", .unixSocket(path: "/tmp/a\u{0}b")),
        ("a long path", .unixSocket(path: "/" + String(repeating: "a", count: 107))),
    ]

    @Test(
        "what is no address or path is refused before anything is dialled",
        arguments: bad.map(\.0), ["direct", "socks5h://127.0.0.1:1", "http://127.0.0.1:1"])
    func refused(_ what: String, _ proxy: String) async throws {
        let target = try #require(Self.bad.first { $0.0 == what }).1
        try await withEngine { engine in
            let client = ExecutorClient(engine, proxy: try ProxySetting(parsing: proxy))
            var options = RequestOptions()
            options.connectTo = target
            let error = await transportError {
                _ = try await client.send(.get("https://o.test/"), options: options)
            }
            guard case .invalidRequest(let invalid) = error?.kind else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(invalid.field == "connectTo")
            #expect(engine.snapshot().counters.dials == 0)
        }
    }

    @Test(
        "no zone reaches a proxy, whether it is the target's or that of the next proxy",
        arguments: [MatrixProxy.Kind.http, .socks5h])
    func zones(_ kind: MatrixProxy.Kind) async throws {
        let proxy = try MatrixProxy(kind, number: 1, asksForLogin: false)
        defer { proxy.stop() }
        try await withEngine { engine in
            let first = try proxy.endpoint(.none)
            var options = RequestOptions()
            options.connectTo = .address("fe80::1%lo", port: 7)
            _ = await transportError {
                _ = try await ExecutorClient(engine, proxy: .proxy(first))
                    .send(.get("https://o.test/"), options: options)
            }
            let next = try ProxyEndpoint(kind: .http, host: "fe80::2%lo", port: 8)
            _ = await transportError {
                _ = try await ExecutorClient(engine, proxy: .chain([first, next]))
                    .send(.get("https://o.test/"))
            }
            #expect(proxy.seen.count == 2)
            #expect(proxy.seen.allSatisfy { !$0.contains("%") }, "\(proxy.seen)")
        }
    }

    @Test("socks5 with names resolved here tries each address")
    func everyAddress() async throws {
        let server = try LoopbackServer()
        let socks = try LoopbackSOCKSProxy()
        defer {
            server.stop()
            socks.stop()
        }
        let resolver = StubResolver("127.0.0.8", "127.0.0.9", "127.0.0.1")
        try await withEngine(resolver: resolver, ports: [socks.port]) { engine in
            let setting = try ProxySetting(parsing: "socks5://127.0.0.1:\(socks.port)")
            let client = ExecutorClient(engine, proxy: setting)
            try await expectStatus(200, client, "http://origin.test:\(server.port)/")
            #expect(socks.requests.map(\.host) == ["127.0.0.8", "127.0.0.9", "127.0.0.1"])
        }
    }

    @Test("when no address can be reached the error says what the last reply was")
    func noAddress() async throws {
        let port = try RefusingPort()
        let socks = try LoopbackSOCKSProxy()
        defer { socks.stop() }
        let resolver = StubResolver("127.0.0.8", "127.0.0.9")
        try await withEngine(resolver: resolver, ports: [socks.port]) { engine in
            let setting = try ProxySetting(parsing: "socks5://127.0.0.1:\(socks.port)")
            let error = await dialError(
                ExecutorClient(engine, proxy: setting), "http://origin.test:\(port.port)/")
            #expect(error?.socksCause == .connectionRefused)
            #expect(socks.requests.map(\.host) == ["127.0.0.8", "127.0.0.9"])
        }
    }

    @Test("a proxy is asked for so many addresses and no more", arguments: [16, 17])
    func manyAddresses(_ count: Int) async throws {
        let server = try LoopbackServer()
        let socks = try LoopbackSOCKSProxy()
        defer {
            server.stop()
            socks.stop()
        }
        // The last one alone answers.
        let literals = (1..<count).map { "127.0.1.\($0)" } + ["127.0.0.1"]
        let resolver = StubResolver { _, port in
            literals.compactMap { SocketAddress(literal: $0, port: port) }
        }
        try await withEngine(resolver: resolver, ports: [socks.port]) { engine in
            let setting = try ProxySetting(parsing: "socks5://127.0.0.1:\(socks.port)")
            let client = ExecutorClient(engine, proxy: setting)
            let url = "http://origin.test:\(server.port)/"
            if count == 16 {
                try await expectStatus(200, client, url)
            } else {
                #expect(await dialError(client, url)?.socksCause == .connectionRefused)
            }
            #expect(socks.requests.count == 16)
        }
    }

    @Test("a reply that is no matter of the address is final")
    func notAllowed() async throws {
        var options = LoopbackSOCKSProxy.Options()
        options.reply = 2
        let socks = try LoopbackSOCKSProxy(options)
        defer { socks.stop() }
        let resolver = StubResolver("127.0.0.8", "127.0.0.9")
        try await withEngine(resolver: resolver, ports: [socks.port]) { engine in
            let setting = try ProxySetting(parsing: "socks5://127.0.0.1:\(socks.port)")
            let error = await dialError(ExecutorClient(engine, proxy: setting), "http://o.test/")
            #expect(error?.socksCause == .notAllowed)
            #expect(socks.requests.count == 1)
        }
    }
}
