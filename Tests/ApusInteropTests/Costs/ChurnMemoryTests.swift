import Foundation
import Loopback
import Testing

/// Ten thousand exchanges that are dropped and cancelled at random, in a process of their own: what
/// they leave in memory and in descriptors.
@Suite(
    "churn", .timeLimit(.minutes(5)),
    .enabled(if: Programs.apus != nil, "the tool apus is not built"), .serialized)
struct ChurnMemoryTests {
    /// What 10,000 exchanges may leave: under half a KiB each.
    static let allowanceKiB = 4 * 1024

    /// A leak leaves as much each time; how far the allocator spread itself differs with the load.
    @Test("R31, R32: 10,000 random drops and cancels leave no memory and no socket")
    func tenThousandExchanges() async throws {
        var growths: [Int] = []
        while growths.count < 3, growths.allSatisfy({ $0 > Self.allowanceKiB }) {
            growths.append(try await growthAfterTenThousandExchanges())
        }
        // A sanitizer keeps what is freed, on purpose; the rest is counted all the same.
        guard getenv("APUS_SANITIZER") == nil else { return }
        #expect(growths.contains { $0 <= Self.allowanceKiB }, "\(growths) KiB")
    }

    private func growthAfterTenThousandExchanges() async throws -> Int {
        let origin = try LoopbackServer()
        defer { origin.stop() }
        let folder = try ServedFiles.temporaryFolder.get()
        let output = "\(folder)/churn-\(UUID().uuidString)"
        defer {
            unlink(output)
            unlink(output + ".errors")
        }
        let paths = ["/chunked/20000?chunk=1000", "/endless", "/bytes/400000", "/delay/2", "/sse"]
        var arguments = ["load", "--mode", "churn", "--requests", "10000", "--concurrency", "64"]
        for path in paths { arguments += ["--url", "http://127.0.0.1:\(origin.port)\(path)"] }
        let process = try ChildProcess(
            try #require(Programs.apus), arguments, output: output, errors: output + ".errors")
        #expect(await process.waitForEnd() == 0, "\(tail(of: output + ".errors"))")
        let text = try String(contentsOfFile: output, encoding: .utf8)
        let json = try JSONSerialization.jsonObject(with: Data(text.utf8))
        let record = try #require(json as? [String: Any])
        let numbers = record.compactMapValues { $0 as? Int }
        #expect(numbers["requests"] == 10_000)
        #expect(numbers["errors"] == 0)
        for name in ["exchanges", "dialling", "waiting"] { #expect(numbers[name] == 0, "\(text)") }
        // A socket for each idle connection, and none besides.
        #expect(numbers["sockets"] == numbers["idle"], "\(text)")
        return (numbers["rss_kib"] ?? .max) - (numbers["rss_base_kib"] ?? 0)
    }
}
