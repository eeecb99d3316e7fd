import Foundation
import Loopback
import Testing

/// Row 87 and row 86: system calls that fail, injected by strace into the tool.
@Suite(
    "system calls", .timeLimit(.minutes(5)),
    .enabled(if: Strace.mayTrace, "strace is not installed, or tracing is not permitted"),
    .enabled(if: Programs.apus != nil, "the tool apus is not built"), .serialized)
struct SystemCallTests {
    /// A call that fails, and how the tool must report it.
    struct Case: Sendable, CustomTestStringConvertible {
        let inject: String
        let kinds: Set<String>
        /// With a body, head and body go out in one `sendmsg`.
        var hasLongBody = false

        var testDescription: String { inject }
    }

    static let cases = [
        Case(inject: "socket:error=EMFILE:when=1+", kinds: ["resource"]),
        Case(inject: "socket:error=ENOBUFS:when=1+", kinds: ["resource"]),
        Case(inject: "epoll_ctl:error=ENOMEM:when=2+", kinds: ["resource"]),
        Case(inject: "epoll_ctl:error=ENOSPC:when=2+", kinds: ["connect", "resource"]),
        Case(inject: "sendto:error=ENOBUFS:when=1+", kinds: ["resource"]),
        Case(
            inject: "sendmsg:error=ENOMEM:when=1+", kinds: ["resource"], hasLongBody: true),
        Case(inject: "recvfrom:error=ENOMEM:when=1+", kinds: ["resource"]),
    ]

    @Test("rows 86 and 87: what the system lacks is reported by its number", arguments: cases)
    func aCallThatFails(_ row: Case) async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let apus = try #require(Programs.apus)
        let output = try ServedFiles.temporaryFolder.get() + "/strace-\(UUID().uuidString)"
        let body = String(repeating: "x", count: row.hasLongBody ? 100_000 : 0)
        let strace = try ChildProcess(
            try #require(Programs.path("strace")),
            [
                "-f", "-qq", "-o", "/dev/null", "-e", "inject=\(row.inject)", apus, "fetch",
                "--json", "-m", "30",
            ] + (body.isEmpty ? [] : ["-X", "POST", "-d", body]) + [
                "http://127.0.0.1:\(server.port)/"
            ], output: output, errors: output + ".errors")
        let code = await strace.waitForEnd()
        let text = try String(contentsOfFile: output, encoding: .utf8)
        let errors = try String(contentsOfFile: output + ".errors", encoding: .utf8)
        #expect(code != 0 && code < 128, "\(code): \(text) \(errors)")
        let isReported = row.kinds.contains { text.contains("\"\($0)\"") || errors.contains($0) }
        #expect(isReported, "\(text) \(errors)")
    }

    /// A call whose failures are injected one at a time, from the first that is not libdispatch's.
    struct Call: Sendable, CustomTestStringConvertible {
        let name: String
        var first = 1

        var testDescription: String { name }
    }

    static let calls = [
        Call(name: "socket"), Call(name: "setsockopt"), Call(name: "connect"),
        Call(name: "getsockopt"), Call(name: "epoll_create1", first: 2),
        Call(name: "eventfd2", first: 2), Call(name: "epoll_ctl", first: 2),
        Call(name: "epoll_wait"), Call(name: "sendto"), Call(name: "recvfrom"),
    ]

    /// The first four of each call fail, each with another error.
    ///
    /// In the long form the first twenty fail with every error.
    @Test(
        "row 89: each call fails once, and the exchange completes or fails with a typed error",
        .enabled(
            if: getenv("APUS_SANITIZER") == nil, "a leak checker fails under strace by itself"),
        arguments: calls)
    func eachCallFailsInTurn(_ call: Call) async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let output = try ServedFiles.temporaryFolder.get() + "/strace-\(UUID().uuidString)"
        let errors = ["ENOMEM", "EINTR", "EIO"]
        let isLong = getenv("APUS_SOAK") != nil
        for turn in call.first..<call.first + (isLong ? 20 : 4) {
            for error in isLong ? errors : [errors[turn % errors.count]] {
                let inject = "inject=\(call.name):error=\(error):when=\(turn)"
                let strace = try ChildProcess(
                    try #require(Programs.path("strace")),
                    [
                        "-f", "-qq", "-o", "/dev/null", "-e", inject,
                        try #require(Programs.apus), "fetch", "--json", "-m", "30",
                        "http://127.0.0.1:\(server.port)/",
                    ], output: output, errors: output + ".errors")
                let code = await strace.waitForEnd()
                let text = try String(contentsOfFile: output, encoding: .utf8)
                let message = try String(
                    contentsOfFile: output + ".errors", encoding: .utf8)
                let isServed = code == 0 && text.contains("\"status\":200")
                let isExplained = code == 1 && message.contains("(phase ")
                #expect(isServed || isExplained, "\(inject): \(code) \(text) \(message)")
            }
        }
    }

    @Test(
        "R29: a plain POST of which the socket has taken nothing is sent again",
        .enabled(
            if: getenv("APUS_SANITIZER") == nil, "a leak checker fails under strace by itself"))
    func aPostThatNeverLeft() async throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let output = try ServedFiles.temporaryFolder.get() + "/strace-\(UUID().uuidString)"
        // The second write is the second request's, on the connection of the first.
        let strace = try ChildProcess(
            try #require(Programs.path("strace")),
            [
                "-f", "-qq", "-o", "/dev/null", "-e", "inject=sendmsg:error=EPIPE:when=2",
                try #require(Programs.apus), "fetch", "--json", "--http1", "-m", "30", "-X", "POST",
                "-d", "x", "--repeat", "2", "http://127.0.0.1:\(server.port)/echo",
            ], output: output, errors: output + ".errors")
        let code = await strace.waitForEnd()
        let text = try String(contentsOfFile: output, encoding: .utf8)
        let errors = try String(contentsOfFile: output + ".errors", encoding: .utf8)
        #expect(code == 0, "\(text) \(errors)")
        #expect(text.split(separator: "\n").count { $0.contains("\"status\":200") } == 2)
        #expect(server.counters.connectionsAccepted == 2)
        #expect(server.counters.requests == 2)
    }

    @Test("row 86: with few descriptors every exchange ends, and none but for want of one")
    func fewDescriptors() async throws {
        let prlimit = try #require(Programs.path("prlimit"))
        let server = try LoopbackServer()
        defer { server.stop() }
        let output = try ServedFiles.temporaryFolder.get() + "/prlimit-\(UUID().uuidString)"
        let child = try ChildProcess(
            prlimit,
            [
                "--nofile=24:24", try #require(Programs.apus), "fetch", "--json", "--http1",
                "--concurrency", "64", "--repeat", "64", "-m", "60",
                "http://127.0.0.1:\(server.port)/delay/50",
            ], output: output, errors: output + ".errors")
        let code = await child.waitForEnd()
        #expect(code < 128, "\(code)")
        let lines = try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 64)
        for line in lines {
            let isServed = line.contains("\"status\":200")
            #expect(isServed != line.contains("\"kind\":\"resource\""), "\(line)")
        }
        #expect(lines.contains { $0.contains("\"status\":200") })
        #expect(lines.contains { $0.contains("limited to 24 descriptors") })
    }
}

private enum Strace {
    /// A container may forbid tracing altogether.
    static let mayTrace: Bool = {
        guard let strace = Programs.path("strace"),
            let process = try? ChildProcess(
                strace, ["-qq", "-o", "/dev/null", "true"], output: "/dev/null")
        else { return false }
        return process.waitBlocking() == 0
    }()
}
