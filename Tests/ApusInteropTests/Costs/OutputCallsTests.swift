import Foundation
import Loopback
import Testing

/// How often the tool sends, counted by a library that is preloaded.
@Suite(
    "output calls", .timeLimit(.minutes(5)),
    .enabled(
        if: Programs.apus != nil && CCompiler.path != nil, "the tool, or a C compiler, is missing"),
    .serialized)
struct OutputCallsTests {
    /// Requests that begin together leave together: one by one they would be 64 and more.
    @Test("64 requests that begin at once leave in few sends and TLS writes")
    func aTickLeavesInOneWrite() async throws {
        for isTLS in [true, false] {
            let calls = try await calls(
                of: ["load", "--requests", "64", "--concurrency", "64"], "/bytes/16", isTLS)
            #expect(calls.sends >= 1 && calls.sends <= 32, "\(calls.sends) sends")
            if isTLS {
                #expect(calls.tlsWrites >= 1 && calls.tlsWrites <= 32, "\(calls.tlsWrites) writes")
            }
        }
    }

    /// Sends and TLS writes of the tool while it makes its requests over one HTTP/2 connection.
    private func calls(
        of arguments: [String], _ path: String, _ isTLS: Bool
    ) async throws -> (sends: Int, tlsWrites: Int) {
        try FixturePaths.ensureCertificates()
        var options = LoopbackServer.Options(tls: isTLS ? FixturePaths.certificate("leaf") : nil)
        options.http2PriorKnowledge = !isTLS
        let origin = try LoopbackServer(options)
        defer { origin.stop() }
        let (run, counts) = try await ToolRun.of(
            arguments + [
                "--url", "\(isTLS ? "https" : "http")://localhost:\(origin.port)\(path)",
                "--proto", "h2", "--ca", FixturePaths.pem("ca"),
            ],
            preloading: "faults/outputcalls.c", countingIn: "APUS_OUTPUT_CALLS")
        #expect(run.code == 0, "\(run.errors)")
        #expect(origin.counters.connectionsAccepted == 1)
        try #require(counts.count == 2)
        return (counts[0], counts[1])
    }
}
