import Foundation
import Loopback
import Testing

/// `apus fetch` with redirects and retries.
@Suite(
    "the tool repeats", .timeLimit(.minutes(5)),
    .enabled(if: Programs.apus != nil, "the tool apus is not built"))
struct ToolRepeatTests {
    private typealias Step = ScriptedPeer.Step

    private func redirect(_ location: String) -> Step {
        .sendText("HTTP/1.1 302 Found\r\nLocation: \(location)\r\nContent-Length: 0\r\n\r\n")
    }

    private func fetch(_ arguments: String...) async throws -> ToolRun {
        try await ToolRun.of(["fetch"] + arguments)
    }

    @Test("-L follows redirects, and the record lists them")
    func redirects() async throws {
        let peer = try ScriptedPeer(everyConnection: [
            .expectHead, redirect("/next?q#f"), .expectHead,
            .sendText("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ])
        defer { peer.stop() }
        let url = "http://127.0.0.1:\(peer.port)/"
        let plain = try await fetch("--json", url)
        #expect(try plain.records().first?["status"] as? Int == 302)
        let run = try await fetch("--json", "-L", url)
        #expect(run.code == 0, "\(run.errors)")
        let record = try #require(try run.records().first)
        #expect(record["status"] as? Int == 200)
        #expect(record["final_url"] as? String == url + "next?q#f")
        let tries = try #require(record["tries"] as? [[String: Any]])
        #expect(tries.map { $0["status"] as? Int } == [302, 200])
        #expect(tries.map { $0["url"] as? String } == [url, url + "next"])
        #expect(peer.transcript(1).text.contains("GET /next?q HTTP/1.1\r\n"))
    }

    @Test("--max-redirs ends a chain with an error of its own")
    func tooManyRedirects() async throws {
        let peer = try ScriptedPeer(everyConnection: [
            .expectHead, redirect("/1"), .expectHead, redirect("/2"),
        ])
        defer { peer.stop() }
        let run = try await fetch(
            "--json", "--location", "--max-redirs", "1", "http://127.0.0.1:\(peer.port)/")
        #expect(run.code == 1)
        let record = try #require(try run.records().first)
        #expect((record["error"] as? [String: Any])?["kind"] as? String == "redirect")
        #expect((record["tries"] as? [[String: Any]])?.count == 2)
    }

    @Test("--resolve holds for the target of a redirect")
    func resolvedTargets() async throws {
        let target = try ScriptedPeer(everyConnection: [
            .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ])
        let peer = try ScriptedPeer(everyConnection: [
            .expectHead, redirect("http://two.test:\(target.port)/"),
        ])
        defer {
            peer.stop()
            target.stop()
        }
        let run = try await fetch(
            "--json", "-L", "--resolve", "one.test:\(peer.port):127.0.0.1",
            "--resolve", "two.test:\(target.port):127.0.0.1", "http://one.test:\(peer.port)/")
        #expect(run.code == 0, "\(run.errors)")
        #expect(target.transcript(0).text.contains("Host: two.test:\(target.port)\r\n"))
    }

    @Test("--retry repeats what may pass, and no POST in doubt")
    func retries() async throws {
        let peer = try ScriptedPeer([
            [
                .expectHead,
                .sendText(
                    "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy"),
            ],
            [.expectHead, .reset],
            [.expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")],
            [.expectHead, .reset],
        ])
        defer { peer.stop() }
        let url = "http://127.0.0.1:\(peer.port)/"
        let run = try await fetch("-v", "--json", "--retry", "5", "--retry-delay", "0.001", url)
        #expect(run.code == 0, "\(run.errors)")
        let record = try #require(try run.records().first)
        let tries = try #require(record["tries"] as? [[String: Any]])
        #expect(tries.map { $0["status"] as? Int } == [503, nil, 200])
        #expect(tries.map { $0["error"] as? String } == [nil, "reset", nil])
        #expect(tries.allSatisfy { ($0["pause_us"] as? Int ?? -1) >= 0 })
        #expect(run.errors.contains("* try: 503"))
        let post = try await fetch("--json", "--retry", "5", "-d", "order", url)
        #expect(post.code == 1)
        #expect(peer.connectionCount == 4)
    }

    @Test("--retry-max-time ends the retries with the last answer")
    func retryTime() async throws {
        let peer = try ScriptedPeer(everyConnection: [
            .expectHead,
            .sendText("HTTP/1.1 503 Busy\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n"),
        ])
        defer { peer.stop() }
        let run = try await fetch(
            "--json", "--retry", "5", "--retry-max-time", "5",
            "http://127.0.0.1:\(peer.port)/")
        #expect(run.code == 0)
        #expect(try run.records().first?["status"] as? Int == 503)
        #expect(peer.connectionCount == 1)
    }

    @Test(
        "numbers out of range are refused",
        arguments: [
            ["--max-redirs", "101"], ["--max-redirs", "-1"], ["--retry", "100"], ["--retry", "-1"],
        ])
    func bounds(options: [String]) async throws {
        let run = try await ToolRun.of(["fetch"] + options + ["http://127.0.0.1:1/"])
        #expect(run.code != 0 && run.errors.contains(options[0]))
    }
}
