import Apus
import Foundation
import Loopback
import Testing

/// `apus fetch -v` through real proxies: a story that a stranger can follow.
@Suite(
    "the tool and proxies", .timeLimit(.minutes(5)),
    .enabled(if: Programs.apus != nil, "the tool is not built"))
struct ToolProxyTests {
    @Test("each proxy's story has its steps in their order", arguments: ProxyPeer.running)
    func theStory(_ peer: ProxyPeer) async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer(
            LoopbackServer.Options(tls: FixturePaths.certificate("leaf")))
        defer { server.stop() }
        let url = "https://localhost:\(server.port)/"
        let run = try await fetch(["-v", "-x", try peer.url(), url], roots: try peer.roots)
        #expect(run.code == 0, "\(run.errors)")
        #expect(run.output == "hello\n")
        let proxy = try peer.endpoint().description
        var steps = [
            "GET to https://localhost:\(server.port) via \(proxy)", "dialling", "TCP connected",
        ]
        if peer.kind == .https { steps.append("with \(proxy): TLSv1.3") }
        steps += [
            "\(proxy) opened the tunnel", "TLSv1.", "open to", "status 200", "complete after",
        ]
        var rest = run.errors[...]
        for step in steps {
            guard let place = rest.firstRange(of: step) else {
                Issue.record("no \"\(step)\" in its place in:\n\(run.errors)")
                return
            }
            rest = rest[place.upperBound...]
        }
        #expect(!run.errors.contains("word@") && !run.errors.contains("dXNlcjp3b3Jk"))
    }

    @Test(
        "row 78: a failed CONNECT prints the proxy's own words",
        .running(.squid),
        arguments: [true, false])
    func theProxysOwnWords(isVerbose: Bool) async throws {
        let run = try await fetch(
            (isVerbose ? ["-v"] : []) + ["-x", try ProxyPeer.squid.url(), "https://localhost:80/"],
            roots: FixturePaths.pem("ca"))
        #expect(run.code == 1)
        #expect(run.errors.contains("the proxy answered 403"), "\(run.errors)")
        #expect(run.errors.contains("< the proxy responded: 403"), "\(run.errors)")
        #expect(run.errors.contains("ERR_ACCESS_DENIED") || !isVerbose, "\(run.errors)")
        #expect(run.errors.contains("X-Squid-Error: ERR_ACCESS_DENIED 0") == isVerbose)
    }

    @Test(
        "chains, credentials apart from the URL, and 407 first",
        .running(.squid, .microsocks))
    func optionsOfTheWay() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let url = "http://localhost:\(server.port)/headers"
        let socks = try ProxyPeer.microsocks.url()
        let squid = try ProxyPeer.squid.url().replacing("user:word@", with: "")
        let roots = FixturePaths.pem("ca")
        let run = try await fetch(
            [
                "-v", "--preproxy", socks, "-x", squid, "-U", "user:word", "--proxy-anyauth",
                "--proxy-header", "X-For-The-Proxy: yes", url,
            ], roots: roots)
        #expect(run.code == 0, "\(run.errors)")
        #expect(run.errors.contains(" via socks5h://localhost:"))
        #expect(run.errors.contains(" then http://localhost:"))
        #expect(run.errors.contains("forwards the requests"))
        #expect(run.errors.contains("asked for credentials (407); answering once"), "\(run.errors)")
        #expect(run.errors.contains("status 200"), "\(run.errors)")
        #expect(!run.output.lowercased().contains("proxy-authorization"))
        let direct = try await fetch(
            ["-v", "-x", squid, "--noproxy", "localhost", url], roots: roots)
        #expect(direct.code == 0, "\(direct.errors)")
        #expect(!direct.errors.contains(" via "))
    }

    @Test("an https proxy's certificate is its own matter")
    func theProxysCertificate() async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer()
        var options = LoopbackConnectProxy.Options()
        options.tls = FixturePaths.certificate("untrusted")
        let proxy = try LoopbackConnectProxy(options)
        defer {
            server.stop()
            proxy.stop()
        }
        let way = ["-v", "-x", "https://localhost:\(proxy.port)"]
        let url = "http://localhost:\(server.port)/"
        let roots = FixturePaths.pem("ca")
        for (extra, code) in [
            ([], 1), (["-k"], 1), (["--proxy-insecure"], 0),
            (["--proxy-cacert", FixturePaths.pem("untrusted-ca")], 0),
        ] as [([String], Int32)] {
            let run = try await fetch(way + extra + [url], roots: roots)
            #expect(run.code == code, "\(extra): \(run.errors)")
            let isLoud = run.errors.contains("CERTIFICATE OF https://localhost")
            #expect(isLoud == extra.contains("--proxy-insecure"))
        }
    }

    private func fetch(_ arguments: [String], roots: String) async throws -> ToolRun {
        try await ToolRun.of(
            ["fetch", "--connect-timeout", "30", "--cacert", roots] + arguments)
    }
}
