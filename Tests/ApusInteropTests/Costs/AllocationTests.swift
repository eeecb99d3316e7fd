import Foundation
import Loopback
import Testing

/// What an exchange allocates, counted in the tool by a library that is preloaded.
///
/// The figures of a release build are in Benchmarks/README.md; the bounds here are a debug build's.
@Suite(
    "allocations", .timeLimit(.minutes(5)),
    .enabled(
        if: Programs.apus != nil && CCompiler.path != nil, "the tool, or a C compiler, is missing"),
    .enabled(if: getenv("APUS_SANITIZER") == nil, "a sanitizer has an allocator of its own"),
    .serialized)
struct AllocationTests {
    /// Names are short enough to be held without an allocation, values are not.
    ///
    /// How the pieces arrive moves the count a little.
    @Test(
        "a field of HTTP/1.1 allocates its value and nothing else; of HTTP/2, nghttp2's share too",
        arguments: [("h1", 1.5), ("h2", 7)])
    func aFieldAllocatesWhatItDelivers(_ version: String, _ most: Double) async throws {
        let each = try await allocations(perField: "size=40&turns=2", version)
        #expect(each > 0.5 && each < most, "\(each) for each of 64 fields")
    }

    @Test(
        "a field that the last head had too allocates nothing; of HTTP/2, nghttp2's share",
        arguments: [("h1", 0.1), ("h2", 6)])
    func aRepeatedFieldAllocatesNothing(_ version: String, _ most: Double) async throws {
        let each = try await allocations(perField: "size=40", version)
        #expect(each < most, "\(each) for each of 64 fields")
    }

    @Test(
        "an exchange on a kept connection, the tool's own task with it",
        arguments: [("h1", 80.0), ("h2", 115)])
    func anExchangeHasABound(_ version: String, _ most: Double) async throws {
        let each = try await allocations(perExchange: "/bytes/1024", version)
        #expect(each >= 1 && each <= most, "\(version): \(each)")
    }

    /// What each of 64 fields of a response allocates.
    private func allocations(perField query: String, _ version: String) async throws -> Double {
        let bare = try await allocations(perExchange: "/fields/0", version)
        let full = try await allocations(perExchange: "/fields/64?\(query)", version)
        return (full - bare) / 64
    }

    /// What a thousand exchanges more allocate, for each of them.
    private func allocations(perExchange path: String, _ version: String) async throws -> Double {
        var options = LoopbackServer.Options()
        options.http2PriorKnowledge = version == "h2"
        let origin = try LoopbackServer(options)
        defer { origin.stop() }
        let url = "http://127.0.0.1:\(origin.port)\(path)"
        let (few, many) = (200, 1200)
        let more =
            try await allocations(of: many, url, version)
            - allocations(of: few, url, version)
        return Double(more) / Double(many - few)
    }

    private func allocations(of requests: Int, _ url: String, _ version: String) async throws -> Int
    {
        let (run, counts) = try await ToolRun.of(
            ["load", "--url", url, "--proto", version, "--requests", "\(requests)"],
            preloading: "../Benchmarks/allocations.c", countingIn: "APUS_ALLOCATIONS")
        #expect(run.code == 0, "\(run.errors)")
        return try #require(counts.first)
    }
}
