import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames
private typealias Step = ScriptedPeer.Step

/// The error says how the connection ended, after which times, and who cut it: incidents A7, C3,
/// D5.
@Suite(.timeLimit(.minutes(5))) struct ConnectionEndIncidentTests {
    private static let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
    private static let tls = Step.startTLS(FixturePaths.certificate("leaf"), alpn: ["http/1.1"])
    private static let begunHTTP2: [Step] = [
        .startTLS(FixturePaths.certificate("leaf"), alpn: ["h2"]), .send(Frames.settings()),
        .request(1), .send(Frames.head(1)),
    ]

    /// How the body of a response ends with this script.
    ///
    /// - Parameter isTunnelled: whether the script begins as a proxy.
    private func end(
        _ script: [Step], scheme: String = "https", isTunnelled: Bool = false,
        options: RequestOptions = RequestOptions(),
        _ tune: (inout EngineTuning) -> Void = { _ in }
    ) async throws -> (error: TransportError, end: ConnectionEnd) {
        try FixturePaths.ensureCertificates()
        let opening: [Step] =
            isTunnelled ? [.expectHead, .sendText("HTTP/1.1 200 OK\r\n\r\n")] : []
        let peer = try ScriptedPeer([opening + script])
        defer { peer.stop() }
        var tuning = relaxedTuning
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        tune(&tuning)
        let engine = try TransportEngine(tuning)
        var options = options
        if isTunnelled {
            options.proxy = .proxy(try ProxyEndpoint(parsing: "http://127.0.0.1:\(peer.port)"))
        }
        let error = await transportError {
            let response = try await engine.send(
                .get("\(scheme)://localhost:\(peer.port)/"), options: options)
            _ = try await response.body.collect(upTo: 100)
        }
        await engine.shutdown()
        return (try #require(error), try #require(error?.connectionEnd))
    }

    @Test("D5: in the clear, FIN and RST differ, and neither shows who cut")
    func finAndResetInTheClear() async throws {
        let answer: [Step] = [.expectHead, .sendText(Self.half)]
        let fin = try await end(answer + [.close], scheme: "http")
        #expect(fin.error.kind == .truncated)
        #expect(fin.end.sign == .fin && fin.end.cutBy == nil)
        let reset = try await end(
            answer + [.reset], scheme: "http")
        #expect(reset.end.sign == .reset && reset.end.cutBy == nil)
        for end in [fin.end, reset.end] {
            #expect(end.age > .zero)
            #expect(try #require(end.sinceReceived) <= end.age)
            #expect(try #require(end.sinceSent) <= end.age)
            #expect(try #require(end.silence) <= end.age)
            #expect(!end.isThroughProxy && !end.isSecured)
        }
        #expect("\(fin.error)".contains("(FIN on a connection of "))
    }

    @Test("D5: the end of TLS shows whether the origin or the way cut")
    func theEndOfTLSShowsWhoCut() async throws {
        let answer: [Step] = [Self.tls, .expectHead, .sendText(Self.half)]
        for isTunnelled in [false, true] {
            let orderly = try await end(
                answer + [.closeNotify, .readUntilEnd], isTunnelled: isTunnelled)
            #expect(orderly.end.sign == .closeNotify && orderly.end.cutBy == .origin)
            let alert = try await end(
                answer + [.fatalAlert, .readUntilEnd], isTunnelled: isTunnelled)
            #expect(alert.end.sign == .tlsAlert && alert.end.cutBy == .origin)
            for (step, sign) in [(.close, .fin), (.reset, .reset)] as [(Step, ConnectionEnd.Sign)] {
                let cut = try await end(answer + [step], isTunnelled: isTunnelled)
                #expect(cut.end.sign == sign)
                #expect(cut.end.cutBy == (isTunnelled ? .way : nil))
                #expect(cut.end.isThroughProxy == isTunnelled && cut.end.isSecured)
            }
        }
    }

    @Test("D5: a limit of our own is ended here")
    func aLimitIsEndedHere() async throws {
        var options = RequestOptions()
        options.readIdleTimeout = .milliseconds(50)
        let http1 = try await end(
            [.expectHead, .sendText(Self.half), .silence], scheme: "http", options: options)
        let http2 = try await end(Self.begunHTTP2 + [.readUntilEnd], options: options)
        for (error, end) in [http1, http2] {
            #expect(error.kind == .timeout)
            #expect(end.sign == .engine && end.cutBy == .here)
            #expect(try #require(end.silence) >= .milliseconds(40))
        }
    }

    @Test("A7: the peer announced its end before it cut the stream")
    func aCutAfterAGoAwaySaysHowLongBeforeThatCame() async throws {
        let (error, end) = try await end(
            Self.begunHTTP2 + [
                .send(Frames.goAway(1)), .pause(.milliseconds(20)), .close,
            ])
        #expect(error.replay == .responseStarted)
        #expect(end.cutBy == .origin && [.fin, .reset].contains(end.sign))
        #expect(try #require(end.sinceGoAway) > .zero)
        #expect("\(error)".contains("; GOAWAY "))
    }

    @Test("A7: without a GOAWAY there is none to speak of")
    func aCutWithoutAGoAway() async throws {
        let end = try await end(Self.begunHTTP2 + [.close]).end
        #expect([.fin, .reset].contains(end.sign) && end.sinceGoAway == nil && end.cutBy == nil)
    }

    @Test("C3: PINGs were answered during the silence that a reset of the stream ended")
    func aResetAfterASilenceWithAnsweredPings() async throws {
        let (error, end) = try await end(
            [
                // On a busy machine the first PING may come before the request.
                .startTLS(FixturePaths.certificate("leaf"), alpn: ["h2"]), .send(Frames.settings()),
                .requestAndPing, .send(Frames.head(1)), .pong, .expectFrame(Frames.pingType),
                .pong, .expectFrame(Frames.pingType), .send(Frames.reset(1, 2)), .readUntilEnd,
            ]
        ) { tuning in
            tuning.http2.pingAfter = .milliseconds(30)
            tuning.http2.suspectAfter = .milliseconds(30)
            tuning.http2.deadAfter = .seconds(600)
        }
        #expect(error.kind == .h2Stream(code: 2))
        #expect(end.sign == .streamReset && end.cutBy == .origin)
        #expect(end.pings >= 3 && end.pingsAnswered >= 2 && end.sinceAnswer != nil)
        let (silence, received) = try (#require(end.silence), #require(end.sinceReceived))
        #expect(silence >= received)
        #expect("\(error)".contains(" PINGs answered, the last "))
    }

    @Test("C3: a connection whose PING is not answered was cut by the way")
    func anUnansweredPingIsTheWays() async throws {
        // The first PING shows that they are answered.
        let answersOnce: [Step] = [
            .startTLS(FixturePaths.certificate("leaf"), alpn: ["h2"]), .send(Frames.settings()),
            .requestAndPing, .send(Frames.head(1)), .pong, .silence,
        ]
        let end = try await end(answersOnce) { tuning in
            tuning.http2.pingAfter = .milliseconds(20)
            tuning.http2.suspectAfter = .milliseconds(20)
            tuning.http2.deadAfter = .seconds(1)
        }.end
        #expect(end.sign == .silence && end.cutBy == .way)
        #expect(end.pings == 2 && end.pingsAnswered == 1 && end.sinceAnswer != nil)
    }

    @Test("D5: what the caller cancelled, and what never was on a connection, has no such end")
    func noEndWithoutAConnection() async throws {
        let engine = try TransportEngine(relaxedTuning)
        let unused = try ScriptedPeer([[]])
        unused.stop()
        let error = await transportError {
            _ = try await engine.send(.get("http://127.0.0.1:\(unused.port)/"))
        }
        #expect(error != nil && error?.connectionEnd == nil)
        await engine.shutdown()
    }
}
