import Foundation
import Loopback
import Testing

/// The tool with a library preloaded that interrupts its system calls and shortens its writes.
@Suite(
    "interrupted calls", .timeLimit(.minutes(5)),
    .enabled(
        if: Programs.apus != nil && CCompiler.path != nil, "the tool, or a C compiler, is missing"),
    .serialized)
struct InterruptedCallsTests {
    @Test(
        "row 22: EINTR and short writes everywhere are invisible",
        arguments: ["--http1.1", "--http2-prior-knowledge", "tls", "tls h2"])
    func row22(_ way: String) async throws {
        try FixturePaths.ensureCertificates()
        let isTLS = way.hasPrefix("tls")
        var options = LoopbackServer.Options(
            tls: isTLS ? FixturePaths.certificate("leaf") : nil)
        options.http2PriorKnowledge = way == "--http2-prior-knowledge"
        let origin = try LoopbackServer(options)
        defer { origin.stop() }
        let size = 3 << 20
        let folder = try ServedFiles.temporaryFolder.get()
        let path = "\(folder)/interrupted-\(UUID().uuidString)"
        try Data(BodyPattern.bytes(size)).write(to: URL(fileURLWithPath: path))
        defer { unlink(path) }
        let version = isTLS ? (way == "tls" ? "--http1.1" : "--http2") : way
        let url = "\(isTLS ? "https" : "http")://localhost:\(origin.port)/echo"
        let (run, counts) = try await ToolRun.of(
            [
                "fetch", "--json", "--cacert", FixturePaths.pem("ca"), version, "--data",
                "@\(path)", "--repeat", "3", url,
            ],
            preloading: "faults/shortio.c", countingIn: "SHORTIO_COUNTS")
        #expect(run.code == 0, "\(run.errors)")
        let records = try run.records()
        #expect(records.count == 3)
        #expect(counts.count == 3)
        #expect(counts.allSatisfy { $0 > 100 }, "EINTR, short writes, EAGAIN: \(counts)")
        let digest = ServedFiles.digest(of: [BodyPattern.bytes(size)])
        for record in records {
            #expect(record["body_bytes"] as? Int == size)
            #expect(record["body_sha256"] as? String == digest)
        }
    }

}

/// A C compiler, where there is one.
enum CCompiler {
    static let path = Programs.path("cc") ?? Programs.path("gcc") ?? Programs.path("clang")

    /// A library to preload, compiled anew.
    static func library(_ name: String, from source: String, in folder: String) async throws
        -> String
    {
        let library = "\(folder)/\(name).so"
        let compiler = try ChildProcess(
            try #require(path), ["-shared", "-fPIC", "-O1", "-o", library, source],
            output: library + ".log")
        try #require(await compiler.waitForEnd() == 0, "\(tail(of: library + ".log"))")
        return library
    }
}
