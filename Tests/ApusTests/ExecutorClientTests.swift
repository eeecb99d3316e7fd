import Apus
import Loopback
import Testing

/// Which transport serves a caller, and that nobody's choice is overruled on the way.
@Suite(.timeLimit(.minutes(5))) struct ExecutorClientTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var credential = ""
        var config = ""
        var isInjected = false
        let expected: ExecutorClient.Resolution.Opinion
        var proxy = "inherit"
    }

    @Test(arguments: [
        Case(testDescription: "nobody", expected: .noOpinion),
        Case(
            testDescription: "credential's proxy over all", credential: "http://a:1",
            config: "http://b:2", isInjected: true, expected: .credentialProxy,
            proxy: "http://a:1"),
        Case(
            testDescription: "R19: credential's direct over a configured proxy",
            credential: "Direct", config: "http://b:2", isInjected: true,
            expected: .credentialProxy, proxy: "direct"),
        Case(
            testDescription: "configured proxy over the injected", credential: " ",
            config: "socks5://b:2", isInjected: true, expected: .configuredProxy,
            proxy: "socks5://b:2"),
        Case(
            testDescription: "R19: configured direct over the injected", config: "none",
            isInjected: true, expected: .configuredProxy, proxy: "direct"),
        Case(testDescription: "injected", isInjected: true, expected: .injectedTransport),
    ])
    func theFirstOpinionDecides(_ test: Case) throws {
        let (engine, injected) = (Recorder(), Recorder())
        let found = try ExecutorClient.resolve(
            over: engine, credentialProxy: test.credential, configProxy: test.config,
            injected: test.isInjected ? injected : nil)
        #expect(found.opinion == test.expected)
        #expect((found.client == nil) == (test.expected == .noOpinion))
        #expect(found.ignored.isEmpty)
        guard let client = found.client else { return }
        let wanted = test.expected == .injectedTransport ? injected : engine
        #expect(client.transport as? Recorder === wanted)
        switch client.proxy {
        case .inherit: #expect(test.proxy == "inherit")
        case .direct: #expect(test.proxy == "direct")
        case .proxy(let endpoint): #expect(test.proxy == endpoint.description)
        case .chain, .rules: Issue.record("no text means a chain or rules")
        }
    }

    @Test func aBadProxyFailsAndItsMessageHoldsNoSecret() {
        let bad = "ftp://user:secret@host"
        for (credential, config) in [(bad, ""), ("", bad), (bad, "direct")] {
            #expect {
                try ExecutorClient.resolve(
                    over: Recorder(), credentialProxy: credential, configProxy: config)
            } throws: { error in
                error is InvalidProxy && !"\(error)".contains("secret")
            }
        }
        // A setting that is never asked cannot fail.
        #expect(throws: Never.self) {
            try ExecutorClient.resolve(
                over: Recorder(), credentialProxy: "direct", configProxy: bad)
        }
    }

    @Test func fallingThroughAsksTheNextInLineAndSaysSo() throws {
        let (engine, injected, bad) = (Recorder(), Recorder(), "nonsense")
        let second = try ExecutorClient.resolve(
            over: engine, credentialProxy: bad, configProxy: "http://b:2", injected: injected,
            badProxy: .fallThrough)
        #expect(second.opinion == .configuredProxy)
        #expect(second.ignored.count == 1)
        let third = try ExecutorClient.resolve(
            over: engine, credentialProxy: bad, configProxy: bad, injected: injected,
            badProxy: .fallThrough)
        #expect(third.opinion == .injectedTransport)
        #expect(third.ignored.count == 2)
        let nobody = try ExecutorClient.resolve(
            over: engine, credentialProxy: bad, badProxy: .fallThrough)
        #expect(nobody.opinion == .noOpinion)
        #expect(nobody.client == nil)
    }

    @Test(
        arguments: [
            (Duration.zero, nil, nil), (.seconds(-1), nil, nil), (.seconds(5), nil, .seconds(5)),
            (.seconds(5), .seconds(2), .seconds(2)), (.zero, .seconds(2), .seconds(2)),
        ] as [(Duration, Duration?, Duration?)])
    func aTimeoutOfZeroIsNoneAndARequestsOwnComesFirst(
        _ timeout: Duration, _ own: Duration?, _ expected: Duration?
    ) async throws {
        let recorder = Recorder()
        let found = try ExecutorClient.resolve(
            over: recorder, credentialProxy: "direct", timeout: timeout)
        var options = RequestOptions()
        options.totalTimeout = own
        let client = found.client(otherwise: Recorder())
        _ = await transportError {
            _ = try await client.send(.get("http://origin.test/"), options: options)
        }
        #expect(recorder.seen?.totalTimeout == expected)
    }

    @Test func theTimeoutEndsARequest() async throws {
        try await withStand(.http1) { stand in
            let found = try ExecutorClient.resolve(over: stand.engine, timeout: .milliseconds(50))
            let client = found.client(otherwise: stand.engine)
            let error = await transportError {
                _ = try await client.send(.get(stand.url("/hang")))
            }
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .total)
        }
    }

    @Test func aClientWithoutAnOpinionLeavesTheInnerOnesChoices() async throws {
        let recorder = Recorder()
        let inner = ExecutorClient(
            recorder, proxy: .direct, isolation: "inner", versions: .http1Only(alpn: .omit),
            timeout: .seconds(3))
        let outer = ExecutorClient(inner)
        _ = await transportError { _ = try await outer.send(.get("http://origin.test/")) }
        #expect(recorder.seen?.proxy == .direct)
        #expect(recorder.seen?.isolation == "inner")
        #expect(recorder.seen?.versions == .http1Only(alpn: .omit))
        #expect(recorder.seen?.totalTimeout == .seconds(3))
        let opinionated = ExecutorClient(inner, isolation: "outer", versions: .http2Only)
        _ = await transportError { _ = try await opinionated.send(.get("http://origin.test/")) }
        #expect(recorder.seen?.isolation == "outer")
        #expect(recorder.seen?.versions == .http2Only)
    }
}
