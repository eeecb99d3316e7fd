import Foundation
import Glibc
import Loopback
import Testing

/// `apus load` and `apus serve`: what scripts and the load harness read from them.
@Suite(
    "the tool loads and serves", .timeLimit(.minutes(5)),
    .enabled(if: Programs.apus != nil, "the tool apus is not built"))
struct ToolLoadTests {
    @Test(
        "each mode ends without an error and prints its line",
        arguments: ["get", "post", "download", "sse"], ["h1", "h2"])
    func modes(_ mode: String, _ version: String) async throws {
        try await withOrigin { origin in
            let path = ["post": "/sink", "download": "/bytes/100000", "sse": "/sse?n=20"][mode]
            let run = try await ToolRun.of([
                "load", "--url", "http://127.0.0.1:\(origin.port)\(path ?? "/bytes/10")",
                "--proto", version, "--concurrency", "4", "--requests", "40", "--warmup", "4",
                "--mode", mode, "--body-bytes", "5000", "--scenario", "name", "--executor",
                version == "h1" ? "loop" : "global",
            ])
            #expect(run.code == 0, "\(run.errors)")
            let record = try #require(try run.records().last)
            for name in [
                "peer", "scenario", "requests", "errors", "wall_s", "user_s", "sys_s",
                "cpu_us_per_req", "rps", "p50_us", "p99_us", "max_rss_kib", "connections_opened",
                "events", "bytes",
            ] { #expect(record[name] != nil, "\(name) is missing") }
            #expect(record["scenario"] as? String == "name")
            #expect(record["requests"] as? Int == 40)
            #expect(record["errors"] as? Int == 0)
            #expect(record["connections_opened"] as? Int ?? 0 <= 4)
            #expect(record["events"] as? Int == (mode == "sse" ? 40 * 20 : 0))
            if mode == "download" { #expect(record["bytes"] as? Int == 40 * 100_000) }
            #expect(origin.counters.requests == 44)
        }
    }

    @Test("idle connections and held streams are counted and weighed", arguments: ["idle", "hold"])
    func standing(_ mode: String) async throws {
        try await withOrigin { origin in
            let path = mode == "idle" ? "/delay/300" : "/sse?n=100000&pace_us=50000"
            let run = try await ToolRun.of([
                "load", "--url", "http://127.0.0.1:\(origin.port)\(path)", "--proto",
                mode == "idle" ? "h1" : "h2", "--concurrency", "8", "--mode", mode,
            ])
            #expect(run.code == 0, "\(run.errors)")
            let record = try #require(try run.records().last)
            for name in ["rss_base_kib", "rss_kib", "kib_per_unit", "sockets"] {
                #expect(record[name] != nil, "\(name) is missing")
            }
            #expect(record["connections_opened"] as? Int == (mode == "idle" ? 8 : 1))
        }
    }

    @Test("a connection for each request, through a proxy, its TLS sessions resumed")
    func withoutKeepAlive() async throws {
        try FixturePaths.ensureCertificates()
        let origin = try LoopbackServer(.init(tls: FixturePaths.certificate("leaf")))
        let proxy = try LoopbackConnectProxy()
        defer {
            origin.stop()
            proxy.stop()
        }
        let run = try await ToolRun.of([
            "load", "--url", "https://localhost:\(origin.port)/", "--ca", FixturePaths.pem("ca"),
            "--requests", "6", "--no-keepalive", "--resume", "1", "--proxy",
            "http://127.0.0.1:\(proxy.port)",
        ])
        #expect(run.code == 0, "\(run.errors)")
        #expect(try run.records().last?["connections_opened"] as? Int == 6)
        #expect(origin.counters.tlsResumed == 5)
        #expect(proxy.counters.established == 6)
    }

    @Test("a status that is not 200 and another version than asked for are errors")
    func failures() async throws {
        try await withOrigin { origin in
            let run = try await ToolRun.of([
                "load", "--url", "http://127.0.0.1:\(origin.port)/status/404", "--requests", "3",
            ])
            #expect(run.code == 1)
            #expect(try run.records().last?["errors"] as? Int == 3)
        }
    }

    @Test("serve prints its ports in one line, serves, and ends by a signal")
    func serve() async throws {
        try FixturePaths.ensureCertificates()
        let base = try ServedFiles.temporaryFolder.get() + "/serve-\(UUID().uuidString)"
        defer { for name in ["", ".err"] { unlink(base + name) } }
        let server = try ChildProcess(
            try #require(Programs.apus),
            ["serve", "--certs", FixturePaths.certificates], output: base, errors: base + ".err")
        var line = ""
        for _ in 0..<30_000 where !line.hasSuffix("\n") {
            try await Task.sleep(for: .milliseconds(5))
            line = (try? String(contentsOfFile: base, encoding: .utf8)) ?? ""
        }
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
        let ports = try #require(object as? [String: Any])
        let numbers = ["http", "https", "connect_proxy", "socks_proxy"].map { ports[$0] as? Int }
        #expect(Set(numbers.compactMap { $0 }).count == 4, "\(line)")
        let authority = try #require(ports["ca"] as? String)
        let run = try await ToolRun.of([
            "fetch", "--json", "--cacert", authority, "-x",
            "socks5h://127.0.0.1:\(numbers[3] ?? 0)", "http://localhost:\(numbers[0] ?? 0)/",
            "https://localhost:\(numbers[1] ?? 0)/",
        ])
        #expect(run.code == 0, "\(run.errors)")
        kill(server.id, SIGTERM)
        #expect(await server.waitForEnd() == 0)
    }

    private func withOrigin(_ body: (LoopbackServer) async throws -> Void) async throws {
        var options = LoopbackServer.Options()
        options.http2PriorKnowledge = true
        let origin = try LoopbackServer(options)
        defer { origin.stop() }
        try await body(origin)
    }
}
