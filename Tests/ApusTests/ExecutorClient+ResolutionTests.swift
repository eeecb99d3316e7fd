import Apus
import Testing

/// Which transport serves a caller: the first setting decides.
@Suite(.timeLimit(.minutes(5))) struct ExecutorClientResolutionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var credential = ""
        var config = ""
        var isInjected = false
        let expected: ExecutorClient.Resolution.Opinion
        var proxy = "inherit"
    }

    @Test(arguments: [
        Case(testDescription: "no setting", expected: .noOpinion),
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
        let none = try ExecutorClient.resolve(
            over: engine, credentialProxy: bad, badProxy: .fallThrough)
        #expect(none.opinion == .noOpinion)
        #expect(none.client == nil)
    }
}
