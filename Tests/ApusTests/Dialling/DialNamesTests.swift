import Apus
import ApusDial
import ApusSocket
import Glibc
import Loopback
import Testing

/// Where a name leads: overrides, a program's own resolver, families apart, zones, localhost.
@Suite(.timeLimit(.minutes(5))) struct DialNamesTests {
    /// A resolver that is asked for each family by itself.
    private struct SplitResolver: Resolver {
        let splitsFamilies = true
        let answer: @Sendable (SocketAddress.Family) async throws(ResolveError) -> [String]

        func resolve(host: String, port: UInt16) async throws(ResolveError) -> [SocketAddress] {
            try await resolve(host: host, port: port, family: .ipv4)
        }

        func resolve(
            host: String, port: UInt16, family: SocketAddress.Family
        ) async throws(ResolveError) -> [SocketAddress] {
            try await answer(family).compactMap { SocketAddress(literal: $0, port: port) }
        }
    }

    // MARK: Families apart

    @Test("row 3: an IPv6 lookup that never answers does not hold up IPv4")
    func aHangingFamily() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let gate = DialGate()
        let resolver = SplitResolver { family async throws(ResolveError) in
            guard family == .ipv6 else { return ["127.0.0.1"] }
            await gate.wait()
            throw .cancelled
        }
        try await withEngine(resolver: resolver, ports: [server.port]) { engine in
            // It would hang as long as the budget lasts, which is minutes here.
            try await expectStatus(200, engine, "http://name.test:\(server.port)/")
        }
        gate.open()
    }

    @Test("row 4: the family that is late is used when the other one refuses")
    func theLateFamily() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let refused = DialGate()
        var hooks = DialHooks()
        hooks.openFailure = { address in
            guard address.family == .ipv6 else { return nil }
            refused.open()
            return SystemError(errno: ENETUNREACH, call: "connect")
        }
        let resolver = SplitResolver { family async throws(ResolveError) in
            if family == .ipv6 { return ["::1"] }
            await refused.wait()
            return ["127.0.0.1"]
        }
        try await withEngine(resolver: resolver, hooks: hooks, ports: [server.port]) { engine in
            try await expectStatus(200, engine, "http://name.test:\(server.port)/")
            #expect(engine.snapshot().dialFailures == 0)
        }
    }

    @Test(
        "row 5: two families that fail are one error, temporary if either is",
        arguments: [(true, true), (true, false), (false, true), (false, false)])
    func bothFail(_ ipv4: Bool, _ ipv6: Bool) async throws {
        let resolver = SplitResolver { family async throws(ResolveError) in
            let isTemporary = family == .ipv4 ? ipv4 : ipv6
            throw isTemporary ? .temporary(message: "SERVFAIL") : .notFound(message: "NXDOMAIN")
        }
        try await withEngine(resolver: resolver) { engine in
            let error = await dialError(engine, "http://name.test/")
            #expect(error?.kind == .dns(isTemporary: ipv4 || ipv6))
            #expect(error?.phase == .dns)
            #expect(error?.attempts == [])
            expectEmpty(engine)
        }
    }

    @Test("row 6: two families that hang cost the resolver's budget, in its own phase")
    func bothHang() async throws {
        let gate = DialGate()
        let resolver = SplitResolver { _ async throws(ResolveError) in
            await gate.wait(isCancellable: false)
            throw .cancelled
        }
        var tuning = relaxedTuning
        tuning.dial.resolveTimeout = .milliseconds(50)
        try await withEngine(tuning, resolver: resolver) { engine in
            let error = await dialError(engine, "http://name.test/")
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .dns)
            expectEmpty(engine)
        }
        gate.open()
    }

    @Test("the system's resolver answers for this machine's own name in every mode")
    func theSystemsResolver() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        for delay in [Duration.milliseconds(50), nil] {
            var tuning = relaxedTuning
            tuning.dial.resolutionDelay = delay
            // "ip6-localhost" and the like differ; "localhost" would not be asked for.
            let resolver = FamilyResolver(tuning.dial)
            #expect(resolver.splitsFamilies == (delay != nil))
            let error = await #expect(throws: ResolveError.self) {
                try await resolver.resolve(host: "no-such-host.invalid", port: 1, family: .ipv4)
            }
            #expect(error != .cancelled)
        }
    }

    // MARK: Overrides

    @Test("an override leads elsewhere; request, SNI and verification stay as they are")
    func overrides() async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer(.init(tls: FixturePaths.certificate("leaf")))
        defer { server.stop() }
        var tuning = relaxedTuning
        let port = server.port
        tuning.dial.overrides = [
            .init(host: "example.test", port: 444, to: [.address("192.0.2.1", port: 9)]),
            .init(
                host: "example.test",
                to: [.address("127.0.0.9", port: 9), .address("127.0.0.1", port: port)]),
        ]
        let lookups = DialRecorder()
        let resolver = StubResolver { (host, _) throws(ResolveError) in
            lookups.add(host)
            throw .notFound(message: "NXDOMAIN")
        }
        try await withEngine(tuning, resolver: resolver, ports: [port]) { engine in
            let response = try await engine.send(.get("https://example.test/headers"))
            let head = String(try await response.body.collect(upTo: 1 << 16)).lowercased()
            #expect(head.contains("example.test"))
            #expect(response.info.connection.remoteAddress == "127.0.0.1:\(port)")
            #expect(await dialError(engine, "https://other.test/")?.kind.name == "dns")
            #expect(lookups.list == ["other.test"])
        }
    }

    @Test("an override may be a Unix socket's path, and an invalid one is reported")
    func oddOverrides() async throws {
        var tuning = relaxedTuning
        tuning.dial.overrides = [
            .init(host: "a.test", to: [.unixSocket(path: "/nowhere/socket")]),
            .init(host: "b.test", to: [.address("not-an-address", port: 1)]),
        ]
        try await withEngine(tuning) { engine in
            let unix = await dialError(engine, "http://a.test/")
            #expect(unix?.kind == .connect(errno: ENOENT))
            #expect(unix?.attempts.map(\.address) == ["unix:/nowhere/socket"])
            #expect(await dialError(engine, "http://b.test/")?.kind == .dns(isTemporary: false))
        }
    }

    @Test("an override counts for a proxy's name, and for a name that SOCKS wants as an address")
    func overridesOnTheWay() async throws {
        let server = try LoopbackServer()
        let socks = try LoopbackSOCKSProxy()
        defer {
            server.stop()
            socks.stop()
        }
        var tuning = relaxedTuning
        tuning.dial.overrides = [
            .init(host: "proxy.test", to: [.address("127.0.0.1", port: socks.port)]),
            .init(host: "origin.test", to: [.address("127.0.0.1", port: server.port)]),
        ]
        try await withEngine(tuning, resolver: StubResolver(), ports: [socks.port]) { engine in
            let setting = try ProxySetting(parsing: "socks5://proxy.test:1")
            let client = ExecutorClient(engine, proxy: setting)
            try await expectStatus(200, client, "http://origin.test/")
            #expect(socks.requests.map { "\($0.host):\($0.port)" } == ["127.0.0.1:\(server.port)"])
        }
    }

    @Test("an override that no SOCKS proxy can reach is an error, not a trap")
    func aUnixSocketWithSOCKS() async throws {
        let socks = try LoopbackSOCKSProxy()
        defer { socks.stop() }
        var tuning = relaxedTuning
        tuning.dial.overrides = [.init(host: "a.test", to: [.unixSocket(path: "/nowhere/socket")])]
        try await withEngine(tuning, ports: [socks.port]) { engine in
            let setting = try ProxySetting(parsing: "socks5://127.0.0.1:\(socks.port)")
            let error = await dialError(
                ExecutorClient(engine, proxy: setting), "http://a.test/")
            #expect(error?.kind == .connect(errno: EAFNOSUPPORT))
            #expect(error?.phase == .proxy)
            #expect(error?.message.contains("Unix socket") == true)
        }
    }

    @Test("a name that one scope has looked up is looked up again for another")
    func namesDoNotCrossScopes() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let lookups = DialRecorder()
        var tuning = relaxedTuning
        tuning.dial.resolutionDelay = nil
        tuning.dial.cacheTime = .seconds(600)
        let resolver = SystemResolver(tuning.dial) { name in
            lookups.add(name)
            return .success([SocketAddress(literal: "127.0.0.1", port: 0)].compactMap { $0 })
        }
        try await withEngine(tuning, resolver: ScopedResolver(system: resolver)) { engine in
            for scope in ["one", "one", "other", "one"] {
                let client = ExecutorClient(engine, isolation: IsolationScope(scope))
                var options = RequestOptions()
                options.reuse = .oneShot
                let response = try await client.send(
                    .get("http://name.test:\(server.port)/"), options: options)
                _ = try await response.body.collect(upTo: 100)
            }
            #expect(lookups.list == ["name.test", "name.test"])
        }
    }

    /// The system's resolver with lookups of the test's own.
    private struct ScopedResolver: Resolver {
        let system: SystemResolver

        func resolve(host: String, port: UInt16) async throws(ResolveError) -> [SocketAddress] {
            try await system.resolve(host: host, port: port)
        }

        func resolve(
            host: String, port: UInt16, family: SocketAddress.Family?, in scope: IsolationScope?
        ) async throws(ResolveError) -> [SocketAddress] {
            try await system.resolve(host: host, port: port, in: scope)
        }
    }

    @Test("a proxy's name that does not resolve is reported as the proxy's")
    func aProxyWithoutAnAddress() async throws {
        let resolver = StubResolver()
        try await withEngine(relaxedTuning, resolver: resolver) { engine in
            let setting = try ProxySetting(parsing: "http://no-such-proxy.test:1")
            let error = await dialError(
                ExecutorClient(engine, proxy: setting), "http://origin.test/")
            #expect(error?.phase == .dns)
            #expect(error?.hop == .proxy)
        }
    }

    // MARK: A program's own resolver

    private struct OwnResolver: NameResolver {
        let asked = DialRecorder()
        let answer: @Sendable (String) async throws(NameError) -> [String]

        func addresses(of host: String) async throws(NameError) -> [String] {
            asked.add(host)
            return try await answer(host)
        }
    }

    private func withOwn(
        _ resolver: OwnResolver, _ body: (TransportEngine) async throws -> Void
    ) async throws {
        let engine = try TransportEngine(relaxedTuning, resolver: resolver)
        do {
            try await body(engine)
        } catch {
            await engine.shutdown()
            throw error
        }
        await engine.shutdown()
    }

    @Test("a program's own resolver is asked for names alone, never for localhost or literals")
    func theOwnResolver() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let resolver = OwnResolver { _ throws(NameError) in ["127.0.0.3", "127.0.0.1"] }
        try await withOwn(resolver) { engine in
            for host in ["name.test", "127.0.0.1", "localhost", "a.localhost", "LOCALHOST."] {
                try await expectStatus(200, engine, "http://\(host):\(server.port)/")
            }
            #expect(resolver.asked.list == ["name.test"])
        }
    }

    @Test("its failures are reported as they are")
    func theOwnResolversFailures() async throws {
        let resolver = OwnResolver { host throws(NameError) in
            switch host {
            case "gone.test": throw .notFound("no such name here")
            case "later.test": throw .temporary("try later")
            case "odd.test": ["not an address"]
            default: []
            }
        }
        try await withOwn(resolver) { engine in
            let gone = await dialError(engine, "http://gone.test/")
            #expect(gone?.kind == .dns(isTemporary: false))
            #expect(gone?.message == "gone.test: no such name here")
            #expect(await dialError(engine, "http://later.test/")?.kind == .dns(isTemporary: true))
            for host in ["odd.test", "empty.test"] {
                let error = await dialError(engine, "http://\(host)/")
                #expect(error?.kind == .dns(isTemporary: false))
                #expect(error?.phase == .dns)
            }
        }
    }

    // MARK: Zones

    @Test(
        "an IPv6 zone is used for connecting and never sent", arguments: ["%25lo", "%lo", "%251"])
    func zones(_ zone: String) async throws {
        var options = LoopbackServer.Options()
        options.ipv6 = true
        let server = try LoopbackServer(options)
        defer { server.stop() }
        try await withEngine { engine in
            let url = "http://[::1\(zone)]:\(server.port)/headers"
            let response = try await engine.send(.get(url))
            let head = String(try await response.body.collect(upTo: 1 << 16))
            #expect(head.lowercased().contains("host: [::1]:\(server.port)"), "\(head)")
            #expect(!head.contains("%"))
            let none = await dialError(engine, "http://[::1%25no-such-if]:1/")
            #expect(none != nil)
        }
    }

    // MARK: Sockets

    @Test("the interface, the local address and the hook, in this order")
    func theHook() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let seen = DialRecorder()
        var tuning = relaxedTuning
        tuning.dial.localInterface = "lo"
        tuning.dial.localAddress = "127.0.0.7"
        tuning.dial.beforeConnect = SocketHook { descriptor, address in
            var name = [UInt8](repeating: 0, count: 16)
            var length = socklen_t(16)
            getsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, &name, &length)
            var local = sockaddr_in()
            length = socklen_t(MemoryLayout<sockaddr_in>.size)
            _ = withUnsafeMutablePointer(to: &local) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    getsockname(descriptor, $0, &length)
                }
            }
            let last = UInt32(bigEndian: local.sin_addr.s_addr) & 0xFF
            let interface = String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
            seen.add("\(address) \(interface) \(last)")
        }
        try await withEngine(tuning, ports: [server.port]) { engine in
            try await expectStatus(200, engine, "http://127.0.0.1:\(server.port)/")
            #expect(seen.list == ["127.0.0.1:\(server.port) lo 7"])
        }
    }

    private struct Refusal: Error, CustomStringConvertible { let description = "not today" }

    @Test("a hook that throws fails its attempt, and says why")
    func theHookRefuses() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        var tuning = relaxedTuning
        tuning.dial.beforeConnect = SocketHook { _, address in
            if address.hasPrefix("127.0.0.2") { throw Refusal() }
        }
        let resolver = StubResolver("127.0.0.2", "127.0.0.1")
        try await withEngine(tuning, resolver: resolver, ports: [server.port]) { engine in
            try await expectStatus(200, engine, "http://name.test:\(server.port)/")
            let error = await dialError(engine, "http://127.0.0.2:\(server.port)/")
            #expect(error?.kind == .connect(errno: ECANCELED))
            #expect(error?.message.contains("not today") == true)
        }
    }

    @Test("a foreign local address is reported differently from missing ports")
    func aForeignLocalAddress() async throws {
        var tuning = relaxedTuning
        tuning.dial.localAddress = "192.0.2.77"
        try await withEngine(tuning) { engine in
            let error = await dialError(engine, "http://127.0.0.1:9/")
            #expect(error?.kind == .connect(errno: EADDRNOTAVAIL))
            #expect(error?.message.contains("dial.localAddress") == true)
        }
        var hooks = DialHooks()
        hooks.openFailure = { _ in SystemError(errno: EADDRNOTAVAIL, call: "connect") }
        try await withEngine(hooks: hooks) { engine in
            let error = await dialError(engine, "http://127.0.0.1:9/")
            #expect(error?.kind == .connect(errno: EADDRNOTAVAIL))
            #expect(error?.message.contains("ip_local_port_range") == true)
        }
    }

    @Test("a missing interface is reported")
    func aMissingInterface() async throws {
        var tuning = relaxedTuning
        tuning.dial.localInterface = "no-such-if"
        try await withEngine(tuning) { engine in
            let error = await dialError(engine, "http://127.0.0.1:9/")
            #expect(error?.kind == .connect(errno: ENODEV))
            #expect(error?.message.contains("SO_BINDTODEVICE") == true)
        }
    }
}
