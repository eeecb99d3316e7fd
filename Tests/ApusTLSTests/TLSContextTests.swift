import ApusCore
import ApusTLS
import Glibc
import Loopback
import Testing

/// Which settings make a context, and which are refused before anything is dialled.
@Suite struct TLSContextTests {
    init() throws {
        try FixturePaths.ensureCertificates()
    }

    @Test func takesTheDefaults() throws {
        _ = try TLSContext(EngineTuning.TLS(), alpn: ["h2", "http/1.1"])
    }

    @Test(arguments: [
        EngineTuning.TLS.Roots.file("/nonexistent/roots.pem"), .file("/dev/null"), .file("a\u{0}b"),
        .pem(""), .pem("no certificate"),
        .pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ])
    func refusesRootsWithoutACertificate(roots: EngineTuning.TLS.Roots) {
        var settings = EngineTuning.TLS()
        settings.roots = roots
        expectFailure(.configuration) { _ = try TLSContext(settings, alpn: []) }
    }

    /// What is read when it is needed is not checked before; everything else is.
    @Test func aCheckReadsFilesAndNoSources() throws {
        var settings = EngineTuning.TLS()
        settings.roots = .file("/nonexistent/roots.pem")
        let error = #expect(throws: TLSError.self) { try TLSContext.check(settings) }
        #expect(error?.message == "roots file /nonexistent/roots.pem: No such file or directory")
        // Roots that are not used are not read.
        settings.insecureSkipVerify = true
        try TLSContext.check(settings)
        settings.identity = .init(
            certificateFile: "/nonexistent/c.pem", keyFile: "/nonexistent/k.pem")
        let second = #expect(throws: TLSError.self) { try TLSContext.check(settings) }
        #expect(second?.message.hasPrefix("certificate file /nonexistent/c.pem: ") == true)
        let unread = TLSSource { preconditionFailure("it is read when it is needed") }
        settings.identity = .init(unread)
        settings.insecureSkipVerify = false
        settings.roots = .source(unread)
        try TLSContext.check(settings)
        settings.roots = .pem("no certificate")
        expectFailure(.configuration) { try TLSContext.check(settings) }
        settings.roots = .file(FixturePaths.pem("ca"))
        settings.identity = .init(
            certificateFile: FixturePaths.pem("client"), keyFile: FixturePaths.pem("ca"))
        expectFailure(.configuration) { try TLSContext.check(settings) }
        try TLSContext.check(EngineTuning.TLS())
    }

    /// A partly read bundle would distrust some servers for no visible reason.
    @Test func refusesRootsWithABrokenCertificateAfterAGoodOne() {
        let good = contents(of: FixturePaths.pem("ca"))
        var settings = EngineTuning.TLS()
        settings.roots = .pem(good)
        #expect(throws: Never.self) { _ = try TLSContext(settings, alpn: []) }
        settings.roots = .pem(
            good + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        expectFailure(.configuration) { _ = try TLSContext(settings, alpn: []) }
    }

    @Test(arguments: [
        ("client", "client", true), ("client", "leaf", false), ("none", "client", false),
        ("client", "none", false), ("locked", "locked", false),
    ])
    func takesAnIdentityWhoseHalvesMatch(chain: String, key: String, isGood: Bool) {
        var settings = trusting()
        settings.identity = .init(
            certificateFile: FixturePaths.certificate(chain).chain,
            keyFile: FixturePaths.certificate(key).key)
        if isGood {
            #expect(throws: Never.self) { _ = try TLSContext(settings, alpn: []) }
        } else {
            expectFailure(.configuration) { _ = try TLSContext(settings, alpn: []) }
        }
    }

    @Test func namesTheFileThatIsMissing() {
        var settings = EngineTuning.TLS()
        settings.roots = .file("/nonexistent/roots.pem")
        let error = #expect(throws: TLSError.self) { _ = try TLSContext(settings, alpn: []) }
        #expect(error?.message == "roots file /nonexistent/roots.pem: No such file or directory")
    }

    /// One context and one session serve many threads at once.
    @Test func isSharedByThreads() async throws {
        // A session of TLS 1.3 is for one use.
        let server = try TLSServerContext(versions: .tls12 ... .tls12)
        let context = try TLSContext(trusting(), alpn: [])
        let first = try TLSServerPair(
            TLSEngine(context, serverName: "localhost", session: nil), server)
        try first.handshake()
        try first.deliver()
        let session = first.client.nextSession()
        try await withThrowingTaskGroup(of: Bool?.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    let pair = try TLSServerPair(
                        TLSEngine(context, serverName: "localhost", session: session), server)
                    try pair.handshake(slice: 100)
                    return pair.client.facts?.isResumed
                }
            }
            for try await isResumed in group { #expect(isResumed == true) }
        }
    }

    @Test(arguments: ["", String(repeating: "a", count: 256)])
    func refusesAnALPNNameOfUnusableLength(name: String) {
        expectFailure(.configuration) { _ = try TLSContext(EngineTuning.TLS(), alpn: [name]) }
    }
}
