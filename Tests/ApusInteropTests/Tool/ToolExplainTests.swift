import Foundation
import Loopback
import Testing

/// `apus load --explain`: what the pool held and did, for people to read.
@Suite(
    "the tool and a load", .timeLimit(.minutes(5)),
    .enabled(if: Programs.apus != nil, "the tool is not built"))
struct ToolExplainTests {
    @Test("--explain prints routes, connections, requests and waits, besides the line of JSON")
    func theExplanation() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let url = "http://127.0.0.1:\(server.port)"
        let (line, lines) = try await load(["--url", url + "/bytes/100", "--requests", "60"])
        #expect(line.contains("\"requests\":60"), "\(line)")
        // One worker: it waits for its dial, and then it has its connection.
        #expect(
            lines.suffix(4).dropLast() == [
                "* \(url): 0 leased, 1 idle, 0 dialling, 0 waiting",
                "* connections: 1 dialled, 0 failed, 0 abandoned, 1 opened; closed: none",
                "* requests: 60 got a connection, 59 reused one; 1 waited, 0 abandoned, 0 failed; "
                    + "0 sent again, 0 refused",
            ])
        let waits = try #require(lines.last)
        #expect(waits.hasPrefix("* waited for a dial: 1, "), "\(waits)")
        #expect(waits.contains(" ms on average, ") && waits.hasSuffix(" ms at most"))
    }

    @Test("--explain prints why connections were closed")
    func theCloses() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let url = "http://127.0.0.1:\(server.port)/"
        let (_, lines) = try await load(
            ["--url", url, "--requests", "20", "--concurrency", "4", "--no-keepalive"])
        #expect(
            lines.contains {
                $0.hasPrefix("* connections: 20 dialled, 0 failed, 0 abandoned, 20 opened; closed:")
                    && $0.hasSuffix("20 connection close")
            }, "\(lines)")
    }

    @Test("without --explain only the line of JSON is printed")
    func withoutIt() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let url = "http://127.0.0.1:\(server.port)/"
        let (line, lines) = try await load(["--url", url], explain: false)
        #expect(line.hasPrefix("{") && line.split(separator: "\n").count == 1)
        #expect(lines.isEmpty)
    }

    /// The line of JSON, and the lines of the explanation.
    private func load(
        _ arguments: [String], explain: Bool = true
    ) async throws -> (line: String, explanation: [String]) {
        let run = try await ToolRun.of(["load"] + (explain ? ["--explain"] : []) + arguments)
        #expect(run.code == 0)
        return (run.output, run.errors.split(whereSeparator: \.isNewline).map(String.init))
    }
}
