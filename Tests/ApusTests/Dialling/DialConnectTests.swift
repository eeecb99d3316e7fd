import Apus
import ApusDial
import ApusEngine
import ApusSocket
import Glibc
import Loopback
import Testing

/// Names, addresses and sockets: rows 1 to 8, 23, 86 and 99 of the fault matrix.
@Suite(.timeLimit(.minutes(5))) struct DialConnectTests {
    @Test("row 1: a refused connection names every address that was tried")
    func refused() async throws {
        let refusing = try RefusingPort()
        let port = refusing.port
        let resolver = StubResolver("127.0.0.1", "127.0.0.2")
        try await withEngine(resolver: resolver, ports: [port]) { engine in
            let error = await dialError(engine, "http://name.test:\(port)/")
            #expect(error?.kind == .connect(errno: ECONNREFUSED))
            #expect(error?.phase == .connect)
            #expect(error?.hop == .origin)
            #expect(error?.attempts.map(\.address) == ["127.0.0.1:\(port)", "127.0.0.2:\(port)"])
            #expect(error?.attempts.allSatisfy { $0.outcome.contains("refused") } == true)
            expectEmpty(engine)
        }
        withExtendedLifetime(refusing) {}
    }

    @Test("row 2: an address that does not answer costs its budget, and is named")
    func blackholed() async throws {
        let listener = try FullListener()
        let fillers = descriptors(connectedTo: listener.port)
        var tuning = relaxedTuning
        tuning.dial.tcpTimeout = .milliseconds(100)
        try await withEngine(tuning) { engine in
            let error = await dialError(engine, "http://127.0.0.1:\(listener.port)/")
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .connect)
            #expect(
                error?.attempts == [
                    .init(address: "127.0.0.1:\(listener.port)", outcome: "no answer in time")
                ])
            expectEmpty(engine)
            #expect(descriptors(connectedTo: listener.port) == fillers)
        }
    }

    @Test("row 2: the whole connect budget bounds the address race too")
    func blackholedWithinTheConnectBudget() async throws {
        let listener = try FullListener()
        var tuning = relaxedTuning
        tuning.dial = EngineTuning.Dial()
        tuning.dial.tcpTimeout = nil
        tuning.dial.connectTimeout = .milliseconds(100)
        try await withEngine(tuning) { engine in
            let error = await dialError(engine, "http://127.0.0.1:\(listener.port)/")
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .connect)
        }
    }

    @Test(
        "rows 2 and 3: a dead first address costs the attempt delay only", arguments: [true, false])
    func theNextAddressIsRaced(isIPv6Dead: Bool) async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let dead = try FullListener(isIPv6Dead ? "::1" : "127.0.0.2", port: server.port)
        let before = descriptors(connectedTo: server.port)
        let resolver = StubResolver(isIPv6Dead ? "::1" : "127.0.0.2", "127.0.0.1")
        var tuning = relaxedTuning
        tuning.dial.attemptDelay = .milliseconds(20)
        tuning.dial.tcpTimeout = nil
        tuning.dial.connectTimeout = nil
        try await withEngine(tuning, resolver: resolver) { engine in
            // The dead address would never let go.
            try await expectStatus(200, engine, "http://name.test:\(server.port)/")
            #expect(engine.snapshot().idle == 1)
            #expect(descriptors(connectedTo: server.port) == before + 1)
        }
        #expect(descriptors(connectedTo: server.port) == before)
        withExtendedLifetime(dead) {}
    }

    @Test("row 4: the first address refuses, the second works")
    func theSecondAddressWorks() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let resolver = StubResolver("127.0.0.2", "127.0.0.1")
        try await withEngine(resolver: resolver, ports: [server.port]) { engine in
            try await expectStatus(200, engine, "http://name.test:\(server.port)/")
            #expect(engine.snapshot().dialFailures == 0)
            #expect(server.counters.connectionsAccepted == 1)
        }
    }

    @Test(
        "row 5: a name's failure is reported as permanent or as temporary",
        arguments: [true, false])
    func noSuchName(isTemporary: Bool) async throws {
        let resolver = StubResolver { (_, _) throws(ResolveError) in
            throw isTemporary ? .temporary(message: "SERVFAIL") : .notFound(message: "NXDOMAIN")
        }
        try await withEngine(resolver: resolver) { engine in
            let error = await dialError(engine, "https://name.test/")
            #expect(error?.kind == .dns(isTemporary: isTemporary))
            #expect(error?.phase == .dns)
            #expect(error?.attempts == [])
            #expect(error?.message.contains("name.test") == true)
            expectEmpty(engine)
        }
    }

    @Test("row 5: a resolver that gives no address at all is no trap")
    func noAddress() async throws {
        try await withEngine(resolver: StubResolver()) { engine in
            let error = await dialError(engine, "http://name.test/")
            #expect(error?.kind == .dns(isTemporary: false))
            let socks = try ProxySetting(parsing: "socks5://127.0.0.1:1")
            let client = ExecutorClient(engine, proxy: socks)
            #expect(await dialError(client, "http://name.test/")?.kind == .connect(errno: 111))
        }
    }

    /// Whether the resolver at least goes when it is cancelled; the engine must not depend on it.
    @Test("row 6: a resolver that hangs costs its budget", arguments: [true, false])
    func aHangingResolver(isCancellable: Bool) async throws {
        let gate = DialGate()
        let resolver = hangingResolver(gate, isCancellable: isCancellable)
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

    @Test(
        "row 6: cancelling returns at once although the resolver hangs", arguments: [true, false])
    func cancelledInAHangingResolver(isCancellable: Bool) async throws {
        let gate = DialGate()
        let asked = DialGate()
        let hanging = hangingResolver(gate, isCancellable: isCancellable)
        let resolver = StubResolver { (host, port) async throws(ResolveError) in
            asked.open()
            return try await hanging.resolve(host: host, port: port)
        }
        var tuning = relaxedTuning
        tuning.dial.resolveTimeout = nil
        tuning.dial.connectTimeout = nil
        try await withEngine(tuning, resolver: resolver) { engine in
            let task = Task { try await engine.send(.get("http://name.test/")) }
            await asked.wait()
            task.cancel()
            let error = await transportError { _ = try await task.value }
            #expect(error?.kind == .cancelled)
            #expect(engine.snapshot().waiting == 0)
        }
        gate.open()
    }

    @Test("row 6: a SOCKS target's name that hangs is bounded although the socket is ready")
    func aHangingResolverWithSOCKS() async throws {
        let proxy = try LoopbackSOCKSProxy()
        defer { proxy.stop() }
        let gate = DialGate()
        let resolver = hangingResolver(gate, isCancellable: false)
        var tuning = relaxedTuning
        tuning.dial.resolveTimeout = .milliseconds(100)
        try await withEngine(tuning, resolver: resolver, ports: [proxy.port]) { engine in
            let setting = try ProxySetting(parsing: "socks5://127.0.0.1:\(proxy.port)")
            let client = ExecutorClient(engine, proxy: setting)
            let error = await dialError(client, "http://name.test/")
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .dns)
            expectEmpty(engine)
            #expect(descriptors(connectedTo: proxy.port) == 0)
        }
        gate.open()
    }

    private func hangingResolver(_ gate: DialGate, isCancellable: Bool) -> StubResolver {
        StubResolver { (_, _) async throws(ResolveError) in
            await gate.wait(isCancellable: isCancellable)
            throw .cancelled
        }
    }

    @Test("row 7: new connections use a name's new address, old ones go on")
    func aNamesNewAddress() async throws {
        let old = try LoopbackServer()
        defer { old.stop() }
        var options = LoopbackServer.Options()
        options.port = old.port
        options.ipv6 = true
        let new = try LoopbackServer(options)
        defer { new.stop() }
        let asked = DialGate()
        let resolver = StubResolver { (_, port) throws(ResolveError) in
            let literal = asked.isOpen ? "::1" : "127.0.0.1"
            asked.open()
            return SocketAddress(literal: literal, port: port).map { [$0] } ?? []
        }
        try await withEngine(resolver: resolver, ports: [old.port]) { engine in
            let url = "http://name.test:\(old.port)/"
            try await fetch(engine, url)
            var fresh = RequestOptions()
            fresh.reuse = .oneShot
            try await fetch(engine, url, options: fresh)
            try await fetch(engine, url)
            #expect(old.counters.requests == 2)
            #expect(new.counters.requests == 1)
        }
    }

    @Test("row 7: a name whose addresses all refused is looked up again for the next dial")
    func aNameThatFailedIsAskedForAgain() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let lookups = DialRecorder()
        var tuning = relaxedTuning
        tuning.dial.cacheTime = .seconds(3600)
        let resolver = SystemResolver(tuning.dial) { name in
            // There is no listener at the first answer's address.
            let literal = lookups.add(name) == 0 ? "127.0.0.2" : "127.0.0.1"
            return .success(SocketAddress(literal: literal, port: 0).map { [$0] } ?? [])
        }
        try await withEngine(tuning, resolver: resolver, ports: [server.port]) { engine in
            let url = "http://name.test:\(server.port)/"
            #expect(await dialError(engine, url)?.kind == .connect(errno: ECONNREFUSED))
            var once = RequestOptions.patient
            once.reuse = .oneShot
            for _ in 0..<3 { try await expectStatus(200, engine, url, options: once) }
            #expect(lookups.list == ["name.test", "name.test"])
        }
    }

    @Test(
        "row 23: a peer that resets ends the request, never the process", arguments: [true, false])
    func noSignalFromABrokenPipe(isTLS: Bool) async throws {
        var before = sigaction()
        sigaction(SIGPIPE, nil, &before)
        // Otherwise the signal would not be noticed.
        #expect(
            unsafe before.__sigaction_handler.sa_handler == nil, "SIGPIPE is not at its default")
        let leaf = FixturePaths.certificate("leaf")
        let peer = try ScriptedPeer(
            everyConnection: (isTLS ? [.startTLS(leaf)] : []) + [.expectHead, .reset])
        defer { peer.stop() }
        try await withEngine(ports: [peer.port]) { engine in
            for _ in 0..<5 {
                let error = await transportError {
                    let body = RequestBody.bytes(Bytes([UInt8](repeating: 1, count: 4 << 20)))
                    _ = try await engine.send(
                        .post("\(isTLS ? "https" : "http")://localhost:\(peer.port)/"), body: body)
                }
                #expect(["reset", "truncated"].contains(error?.kind.name), "\(error as Any)")
                #expect(error?.replay == .unknown)
            }
            expectEmpty(engine)
        }
        var after = sigaction()
        sigaction(SIGPIPE, nil, &after)
        #expect(unsafe after.__sigaction_handler.sa_handler == nil)
        #expect(before.sa_flags == after.sa_flags)
    }

    @Test(
        "row 86: without descriptors one idle connection is given up, and the dial tried again",
        arguments: [1, 3])
    func anIdleConnectionMakesRoom(loops: Int) async throws {
        let (first, second) = (try LoopbackServer(), try LoopbackServer())
        defer {
            first.stop()
            second.stop()
        }
        let opened = DialGate()
        var tuning = relaxedTuning
        tuning.eventLoops = loops
        var hooks = DialHooks()
        let refused = second.port
        hooks.openFailure = { address in
            guard address.port == refused, !opened.isOpen else { return nil }
            opened.open()
            return SystemError(errno: EMFILE, call: "socket")
        }
        try await withEngine(tuning, hooks: hooks, ports: [first.port, second.port]) { engine in
            try await fetch(engine, "http://127.0.0.1:\(first.port)/")
            #expect(engine.snapshot().idle == 1)
            try await expectStatus(200, engine, "http://127.0.0.1:\(second.port)/")
            try await eventually("the idle one is closed") {
                descriptors(connectedTo: first.port) == 0
            }
            #expect(engine.snapshot().connections == 1)
        }
    }

    @Test(
        "row 86: no descriptor at all is an error that names the limit, and ends",
        arguments: [
            EMFILE, ENFILE, ENOBUFS, ENOMEM,
        ])
    func noDescriptorLeft(errno: Int32) async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let recovered = DialGate()
        let tries = DialRecorder()
        var hooks = DialHooks()
        hooks.openFailure = { _ in
            guard !recovered.isOpen else { return nil }
            tries.add("")
            return SystemError(errno: errno, call: "socket")
        }
        try await withEngine(hooks: hooks, ports: [server.port]) { engine in
            let url = "http://127.0.0.1:\(server.port)/"
            let error = await dialError(engine, url)
            #expect(error?.kind == .resource(errno: errno))
            #expect(error?.phase == .connect)
            #expect(tries.list.count == 1)
            expectEmpty(engine)
            recovered.open()
            try await expectStatus(200, engine, url, options: .patient)
        }
    }

    @Test("row 99: every descriptor of an engine is closed in a program that it starts")
    func everyDescriptorIsCloseOnExec() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        try await withEngine(ports: [server.port]) { engine in
            let response = try await engine.send(
                .get("http://127.0.0.1:\(server.port)/head-then-hang"))
            var sockets = 0
            for descriptor in Int32(3)..<getdtablesize() {
                let kind = descriptorKind(descriptor, connectedTo: server.port)
                guard kind != .other else { continue }
                if kind == .socket { sockets += 1 }
                let flags = fcntl(descriptor, F_GETFD)
                // Another test's descriptor may be gone by now.
                #expect(flags < 0 || flags & FD_CLOEXEC != 0, "\(descriptor): \(kind)")
            }
            #expect(sockets == 1)
            _ = response
        }
    }

    private enum DescriptorKind { case socket, event, other }

    private func descriptorKind(_ number: Int32, connectedTo port: UInt16) -> DescriptorKind {
        var text = [UInt8](repeating: 0, count: 256)
        let count = readlink("/proc/self/fd/\(number)", &text, text.count)
        guard count > 0 else { return .other }
        let name = String(decoding: text[..<count], as: UTF8.self)
        if name == "anon_inode:[eventpoll]" || name == "anon_inode:[eventfd]" { return .event }
        guard name.hasPrefix("socket:") else { return .other }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getpeername(number, $0, &length)
            }
        }
        return result == 0 && UInt16(bigEndian: address.sin_port) == port ? .socket : .other
    }
}
