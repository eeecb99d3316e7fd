import Apus
import ApusEngine
import Loopback
import Testing

/// Row 77: the 407 to a request that a proxy forwards is answered once, where the body can be sent
/// again; else it is the response.
@Suite(.timeLimit(.minutes(5))) struct ForwardedChallengeTests {
    private static let basic = "Proxy-Authorization: Basic dXNlcjp3b3Jk\r\n"

    @Test(
        "row 77: Basic, when asked, and at once from then on",
        arguments: [false, true], [LoopbackProxyKind.http, .https])
    func basicWhenAsked(closes: Bool, _ kind: LoopbackProxyKind) async throws {
        try await withGround(kind, closes: closes) { ground in
            let client = try ground.client(.whenAsked, "user:word@")
            var request = try HTTPRequest.get(ground.url("/headers"))
            request.headerFields[.authorization] = "Bearer origin-secret"
            for round in 1...2 {
                let response = try await client.send(request)
                let head = String(try await response.body.collect(upTo: 1 << 16))
                #expect(response.status == .ok)
                #expect(head.contains("origin-secret"))
                #expect(!head.lowercased().contains("proxy-"), "\(head)")
                let heads = ground.proxy.requests
                #expect(heads.count == round + 1)
                #expect(!heads[0].contains("Proxy-Authorization"))
                #expect(heads.dropFirst().allSatisfy { $0.contains(Self.basic) })
                #expect(heads.allSatisfy { $0.hasPrefix("GET http://localhost:\(ground.port)/h") })
            }
            #expect(ground.proxy.counters.connections <= 2)
            #expect(ground.server.counters.connectionsAccepted == 1)
            #expect(ground.server.counters.requests == 2)
        }
    }

    @Test("row 77: other credentials, or another scope, are asked for anew")
    func whatIsLearnedIsTheRoutesOwn() async throws {
        try await withGround { ground in
            let learned = try ground.client(.whenAsked, "user:word@")
            try await expectStatus(200, learned, ground.url("/"))
            let other = ExecutorClient(learned, isolation: "another")
            try await expectStatus(200, other, ground.url("/"))
            #expect(ground.proxy.requests.count == 4)
            #expect(!ground.proxy.requests[2].contains("Proxy-Authorization"))
            ground.engine.drain { _ in true }
            try await expectStatus(200, learned, ground.url("/"))
            #expect(ground.proxy.requests.count == 6)
            #expect(!ground.proxy.requests[4].contains("Proxy-Authorization"))
        }
    }

    @Test("row 77: a second 407 is the response, and nothing reaches the origin")
    func wrongCredentials() async throws {
        for closes in [false, true] {
            try await withGround(closes: closes) { ground in
                let client = try ground.client(.whenAsked, "user:wrong@")
                for count in 2...3 {
                    let response = try await client.send(
                        .post(ground.url("/sink")), body: .bytes(Bytes("hello")))
                    #expect(response.status.code == 407)
                    #expect(response.head.headerFields[.proxyAuthenticate] != nil)
                    #expect(String(try await response.body.collect(upTo: 99)) == "refused\n")
                    #expect(ground.proxy.requests.count == count)
                }
                #expect(ground.server.counters.connectionsAccepted == 0)
            }
        }
    }

    @Test("row 77: only a 407 that takes Basic is answered by it", arguments: ["Digest", "Bearer"])
    func anotherScheme(_ scheme: String) async throws {
        let answer = "HTTP/1.1 407 No\r\nProxy-Authenticate: \(scheme) realm=\"Basic\"\r\n"
        let peer = try ScriptedPeer(everyConnection: [
            .expectHead, .sendText(answer + "Content-Length: 0\r\n\r\n"), .readUntilEnd,
        ])
        defer { peer.stop() }
        try await withEngine(ports: [peer.port]) { engine in
            var options = ProxyEndpoint.Options()
            options.authentication = .whenAsked
            let endpoint = try ProxyEndpoint(
                parsing: "http://user:word@127.0.0.1:\(peer.port)", options: options)
            try await expectStatus(
                407, ExecutorClient(engine, proxy: .proxy(endpoint)), "http://name.test/")
            #expect(peer.connectionCount == 1)
            #expect(!peer.transcript(0).text.contains("dXNlcjp3b3Jk"))
        }
    }

    @Test("row 77: a streamed body is made anew")
    func streamed() async throws {
        for closes in [false, true] {
            try await withGround(closes: closes) { ground in
                let made = Counter()
                let piece = Bytes(BodyPattern.bytes(1 << 16))
                let body = RequestBody.stream {
                    made.add(1)
                    return Counted(pieces: 16, piece: piece, count: Counter())
                }
                let response = try await ground.client(.whenAsked, "user:word@")
                    .send(.post(ground.url("/sink")), body: body)
                #expect(String(try await response.body.collect(upTo: 99)) == "\(1 << 20)\n")
                #expect(made.value == 2)
                #expect(ground.proxy.requests.map { $0.contains(Self.basic) } == [false, true])
                #expect(ground.server.counters.requests == 1)
            }
        }
    }

    @Test("row 77: a body that cannot be made again leaves the 407 to the caller")
    func oneShot() async throws {
        try await withGround { ground in
            let (body, made) = Self.helloOnce()
            let client = try ground.client(.whenAsked, "user:word@")
            let response = try await client.send(.post(ground.url("/sink")), body: body)
            #expect(response.status.code == 407)
            #expect(String(try await response.body.collect(upTo: 99)) == "refused\n")
            // The answer may have come before the body's own task had begun.
            try await eventually("the body was made") { made.value > 0 }
            #expect(made.value == 1)
            #expect(ground.proxy.requests.count == 1)
            #expect(ground.server.counters.connectionsAccepted == 0)
        }
    }

    @Test("row 77: unless it had not begun, as with Expect: 100-continue")
    func oneShotHeldBack() async throws {
        try await withGround { ground in
            let (body, made) = Self.helloOnce()
            var request = try HTTPRequest.post(ground.url("/continue"))
            request.headerFields[.expect] = "100-continue"
            let response = try await ground.client(.whenAsked, "user:word@")
                .send(request, body: body)
            #expect(String(try await response.body.collect(upTo: 99)) == "5\n")
            #expect(made.value == 1)
            #expect(ground.proxy.requests.map { $0.contains(Self.basic) } == [false, true])
        }
    }

    /// A body that can be made once, and how often it was.
    private static func helloOnce() -> (RequestBody, Counter) {
        let made = Counter()
        let body = RequestBody.oneShot(length: 5) {
            made.add(1)
            return Pieces([Bytes("hello")])
        }
        return (body, made)
    }

    // MARK: Callbacks

    @Test("row 77: a callback answers each request's 407 once; what it may say")
    func aCallback() async throws {
        for (answer, status, count) in [
            ("Basic dXNlcjp3b3Jk", 200, 2), ("Basic wrong", 407, 2), (nil, 407, 1),
        ] as [(String?, Int, Int)] {
            try await withGround { ground in
                let asked = DialRecorder()
                let client = try ground.client(
                    .answering(
                        ProxyAuthenticator { challenge in
                            asked.add(
                                "\(challenge.proxy) \(challenge.fields[.proxyAuthenticate] ?? "")")
                            return answer
                        }))
                try await expectStatus(status, client, ground.url("/headers"))
                let proxy = "http://localhost:\(ground.proxy.port)"
                #expect(asked.list == ["\(proxy) Basic realm=\"loopback\""])
                #expect(ground.proxy.requests.count == count)
                #expect(ground.server.counters.requests == (status == 200 ? 1 : 0))
            }
        }
    }

    @Test("row 77: an invalid field value is never sent")
    func aCallbackThatIsWrong() async throws {
        try await withGround { ground in
            let client = try ground.client(.answering(ProxyAuthenticator { _ in "a\r\nX: b" }))
            let error = await transportError { _ = try await client.send(.get(ground.url("/"))) }
            #expect(error?.kind.name == "invalidRequest")
            #expect(error?.hop == .proxy)
            #expect(error?.replay == .refusedByPeer)
            #expect(ground.proxy.requests.count == 1)
        }
    }

    @Test("row 80: a callback that hangs costs the proxy's budget or the request's own")
    func aCallbackThatHangs() async throws {
        var tuning = relaxedTuning
        for isTotal in [false, true] {
            tuning.dial.proxyTimeout = isTotal ? .seconds(300) : .milliseconds(200)
            try await withGround(tuning: tuning) { ground in
                let (asked, gate, ended) = (DialGate(), DialGate(), DialGate())
                let client = try ground.client(
                    .answering(
                        ProxyAuthenticator { _ in
                            asked.open()
                            await gate.wait()
                            ended.open()
                            return nil
                        }))
                var options = RequestOptions()
                if isTotal { options.totalTimeout = .seconds(2) }
                let request = try HTTPRequest.get(ground.url("/"))
                let error = await transportError {
                    _ = try await client.send(request, options: options)
                }
                #expect(error?.kind == .timeout, "\(String(describing: error))")
                #expect(error?.phase == (isTotal ? .total : .proxy))
                // A busy machine may use up the request's time before the callback is called.
                try await eventually("the callback's task is cancelled") {
                    ended.isOpen || (isTotal && !asked.isOpen)
                }
            }
        }
    }

    @Test("R17: a cancelled caller does not wait for the callback, and no resource remains")
    func cancelledWhileAsking() async throws {
        let (asked, gate) = (DialGate(), DialGate())
        try await withGround { ground in
            let client = try ground.client(
                .answering(
                    ProxyAuthenticator { _ in
                        asked.open()
                        await gate.wait(isCancellable: false)
                        return nil
                    }))
            let request = try HTTPRequest.get(ground.url("/"))
            let task = Task { await transportError { _ = try await client.send(request) } }
            try await eventually("the callback is asked") { asked.isOpen }
            task.cancel()
            #expect(await task.value?.isCancelled == true)
            try await eventually("its exchange is over") { ground.engine.snapshot().exchanges == 0 }
        }
        gate.open()
    }

    @Test("an engine may end while the callback is asked; the request ends with it, not before")
    func shutDownWhileAsking() async throws {
        let (asked, gate) = (DialGate(), DialGate())
        try await withGround { ground in
            let client = try ground.client(
                .answering(
                    ProxyAuthenticator { _ in
                        asked.open()
                        await gate.wait()
                        return "Basic dXNlcjp3b3Jk"
                    }))
            let request = try HTTPRequest.get(ground.url("/"))
            let task = Task { await transportError { _ = try await client.send(request) } }
            try await eventually("the callback is asked") { asked.isOpen }
            await ground.engine.shutdown(drain: .zero)
            gate.open()
            let error = await task.value
            #expect(error?.kind == .shutdown, "\(String(describing: error))")
            #expect(ground.proxy.requests.count == 1)
        }
    }

    // MARK: The story

    @Test("an exchange whose answer asks for another try is reported once, at its real end")
    func theStory() async throws {
        try await withGround { ground in
            let chronicle = Chronicle()
            let engine = try TransportEngine(relaxedTuning, observer: chronicle)
            let client = ExecutorClient(
                engine, proxy: .proxy(try ground.endpoint(.whenAsked, "user:word@")))
            try await expectStatus(200, client, ground.url("/"))
            await engine.shutdown()
            #expect(
                theSteps(of: chronicle) == [
                    "begun GET", "started", "status 407", "started", "status 200", "completed",
                ])
            #expect(chronicle.words.filter { $0 == "asked" }.count == 1)
        }
    }

    @Test("so is one that a 417 answers")
    func theStoryOfAnExpectation() async throws {
        let refusal: [ScriptedPeer.Step] = [
            .expectHead, .sendText("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"), .readUntilEnd,
        ]
        let peer = try ScriptedPeer(
            [refusal], otherwise: FaultStand.goodExchange + [.readUntilEnd])
        defer { peer.stop() }
        let chronicle = Chronicle()
        let engine = try TransportEngine(relaxedTuning, observer: chronicle)
        var request = try HTTPRequest.post("http://127.0.0.1:\(peer.port)/")
        request.headerFields[.expect] = "100-continue"
        let response = try await engine.send(request, body: .bytes(Bytes("hello")))
        _ = try await response.body.collect(upTo: 99)
        await engine.shutdown()
        #expect(
            theSteps(of: chronicle) == [
                "begun POST", "started", "status 417", "replayed: invalidRequest", "started",
                "status 200", "completed",
            ])
    }

    /// What became of the exchange, whichever connections it had.
    private func theSteps(of chronicle: Chronicle) -> [String] {
        chronicle.words(ofExchange: 1).filter { !$0.hasPrefix("queued") }
            .map { $0 == "started, reused" ? "started" : $0 }
    }

    // MARK: Support

    /// An origin, a proxy that asks, and an engine.
    private struct Ground: Sendable {
        let server: LoopbackServer
        let proxy: LoopbackConnectProxy
        let kind: LoopbackProxyKind
        let engine: TransportEngine

        var port: UInt16 { server.port }

        func url(_ path: String) -> String { "http://localhost:\(port)\(path)" }

        func endpoint(
            _ authentication: ProxyAuthentication, _ login: String = ""
        ) throws -> ProxyEndpoint {
            var options = ProxyEndpoint.Options()
            options.authentication = authentication
            return try ProxyEndpoint(
                parsing: "\(kind)://\(login)localhost:\(proxy.port)", options: options)
        }

        func client(
            _ authentication: ProxyAuthentication, _ login: String = ""
        ) throws -> ExecutorClient {
            ExecutorClient(engine, proxy: .proxy(try endpoint(authentication, login)))
        }
    }

    private func withGround(
        _ kind: LoopbackProxyKind = .http, closes: Bool = false,
        tuning: EngineTuning = relaxedTuning, _ body: (Ground) async throws -> Void
    ) async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer()
        var options = LoopbackConnectProxy.Options()
        options.credentials = .init(user: "user", password: "word")
        options.closesAfterRefusal = closes
        let proxy = try kind.start(options)
        defer {
            server.stop()
            proxy.stop()
        }
        try await withEngine(tuning, ports: [proxy.port]) { engine in
            try await body(Ground(server: server, proxy: proxy, kind: kind, engine: engine))
        }
    }
}
