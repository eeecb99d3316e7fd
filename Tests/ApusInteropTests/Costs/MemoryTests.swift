import Apus
import Foundation
import Loopback
import Testing

/// Streaming keeps nothing: a long body takes no more memory than a short one.
///
/// Measured on the tool `apus`, in a process of its own for each download, so that neither other
/// tests nor what this process holds already can hide anything.
@Suite(
    "memory", .timeLimit(.minutes(5)),
    .enabled(if: Programs.apus != nil, "the tool apus is not built"), .serialized)
struct MemoryTests {
    /// What a 100 MiB download may take beyond one of 1 KiB, at its peak.
    static let allowanceKiB = 4 * 1024

    @Test("nginx", .running(.nginx), arguments: Peer.nginx)
    func nginx(_ peer: Peer) async throws {
        try await compare(peer)
    }

    @Test("nghttpd", .running(.nghttpd), arguments: Peer.nghttpd)
    func nghttpd(_ peer: Peer) async throws {
        try await compare(peer)
    }

    @Test("h2o", .running(.h2o), arguments: Peer.h2o)
    func h2o(_ peer: Peer) async throws {
        try await compare(peer)
    }

    private func compare(_ peer: Peer) async throws {
        let files = try ServedFiles.files.get()
        let short = try await peakKiB(downloading: files.small, from: peer)
        let long = try await peakKiB(downloading: files.large, from: peer)
        #expect(long - short <= Self.allowanceKiB, "\(short) KiB, then \(long) KiB")
    }

    /// The most memory that the tool held while it fetched a file, which must come whole.
    ///
    /// Read from /proc while a second fetch hangs: what `wait4` reports of an ended child counts
    /// the memory of the process that started it, too.
    private func peakKiB(downloading file: ServedFiles.File, from peer: Peer) async throws -> Int {
        let output = try ServedFiles.temporaryFolder.get() + "/memory-\(UUID().uuidString)"
        defer {
            unlink(output)
            unlink(output + ".errors")
        }
        let versions = peer.isHTTP2 ? peer.isTLS ? "--http2" : "--http2-prior-knowledge" : "--http1"
        let hanging = try "http://127.0.0.1:\(RealServer.upstream.get().port)/hang"
        let process = try ChildProcess(
            try #require(Programs.apus),
            [
                "fetch", "--json", "--cacert", FixturePaths.pem("ca"), versions,
                peer.url(file.path), hanging,
            ],
            output: output, errors: output + ".errors")
        let line = try await firstLine(of: output)
        let peak = highWaterMark(of: process)
        kill(process.id, SIGKILL)
        _ = await process.waitForEnd()
        let text = try #require(line, "no answer: \(tail(of: output + ".errors"))")
        let json = try JSONSerialization.jsonObject(with: Data(text.utf8))
        let record = try #require(json as? [String: Any])
        #expect(record["body_sha256"] as? String == file.digest)
        #expect(record["body_bytes"] as? Int == file.size)
        return try #require(peak)
    }

    /// Waits for the first whole line of a file that another process writes.
    private func firstLine(of path: String) async throws -> Substring? {
        let end = ContinuousClock.now.advanced(by: .seconds(240))
        while ContinuousClock.now < end {
            let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
            if let newline = text.firstIndex(of: "\n") { return text[..<newline] }
            try await Task.sleep(for: .milliseconds(5))
        }
        return nil
    }

    /// The most memory that has been resident at once, in KiB.
    private func highWaterMark(of process: ChildProcess) -> Int? {
        let status = try? String(contentsOfFile: "/proc/\(process.id)/status", encoding: .utf8)
        return status?.firstMatch(of: /VmHWM:\s*(\d+) kB/).flatMap { Int($0.output.1) }
    }
}
