import Foundation
import Glibc
import Loopback
import Testing

/// `apus fetch`: what it writes is written whole, and as it came.
@Suite(
    "the tool's output", .timeLimit(.minutes(5)),
    .enabled(if: Programs.apus != nil, "the tool apus is not built"))
struct ToolOutputTests {
    /// A pipe takes a long line in parts, between which another thread's line could come.
    @Test("records of exchanges at once stay on lines of their own, however slowly they are read")
    func wholeLines() async throws {
        let value = String(repeating: "v", count: 12_000)
        let peer = try ScriptedPeer(everyConnection: [
            .expectHead,
            .sendText(
                "HTTP/1.1 200 OK\r\nLong: \(value)\r\nContent-Length: 0\r\n"
                    + "Connection: close\r\n\r\n"),
        ])
        defer { peer.stop() }
        let pipe = try ServedFiles.temporaryFolder.get() + "/pipe-\(UUID().uuidString)"
        try #require(mkfifo(pipe, 0o600) == 0)
        defer { unlink(pipe) }
        // Opened for both, so that neither side waits for the other to open it.
        let descriptor = open(pipe, O_RDWR | O_CLOEXEC)
        try #require(descriptor >= 0)
        let setPipeSize: Int32 = 1031
        try #require(fcntl(descriptor, setPipeSize, 4096) >= 4096)
        let count = 200
        let process = try ChildProcess(
            try #require(Programs.apus),
            [
                "fetch", "--json", "--concurrency", "16", "--repeat", "\(count)",
                "http://127.0.0.1:\(peer.port)/",
            ], output: pipe, errors: "/dev/null")
        async let code = process.waitForEnd()
        let text = await offThePool { Self.lines(count, from: descriptor) }
        #expect(await code == 0)
        let lines = text.split(separator: "\n")
        #expect(lines.count == count)
        for line in lines {
            let record = try? JSONSerialization.jsonObject(with: Data(line.utf8))
            let isWhole = (record as? [String: Any])?["status"] as? Int == 200
            guard isWhole else {
                Issue.record("a line that is no record: \(line.prefix(80))")
                break
            }
        }
    }

    /// So many lines, a little at a time; then closes the pipe.
    private static func lines(_ count: Int, from descriptor: Int32) -> String {
        defer { close(descriptor) }
        var text: [UInt8] = []
        var ends = 0
        var piece = [UInt8](repeating: 0, count: 1024)
        while ends < count {
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 60_000) > 0 else { break }
            let got = read(descriptor, &piece, piece.count)
            guard got > 0 else { break }
            text += piece.prefix(got)
            ends += piece.prefix(got).count { $0 == 0x0A }
        }
        return String(decoding: text, as: UTF8.self)
    }

    @Test("-i writes the head's bytes as they came, UTF-8 or not")
    func rawHead() async throws {
        var answer = Array("HTTP/1.1 200 Fine\r\nX-Latin: caf".utf8)
        answer += [0xE9, 0x80, 0xFF]
        answer += Array("\r\nX-Both: \u{e9}\r\nContent-Length: 2\r\n\r\nok".utf8)
        let peer = try ScriptedPeer(everyConnection: [.expectHead, .send(answer)])
        defer { peer.stop() }
        let file = try ServedFiles.temporaryFolder.get() + "/head-\(UUID().uuidString)"
        defer { unlink(file) }
        let run = try await ToolRun.of([
            "fetch", "-i", "-o", file, "http://127.0.0.1:\(peer.port)/",
        ])
        #expect(run.code == 0, "\(run.errors)")
        #expect(try Array(Data(contentsOf: URL(fileURLWithPath: file))) == answer)
    }

    @Test("-H 'Name:' sends no such field, -H 'Name;' an empty one, as curl does")
    func fieldsWithoutValue() async throws {
        let origin = try LoopbackServer(LoopbackServer.Options())
        defer { origin.stop() }
        let run = try await ToolRun.of([
            "fetch", "-H", "Expect:", "-H", "X-Gone:  ", "-H", "X-Empty;", "-H", "X-Also-Empty; ",
            "-H", "X-Full: 1", "http://127.0.0.1:\(origin.port)/headers",
        ])
        #expect(run.code == 0, "\(run.errors)")
        let names = run.output.split(whereSeparator: \.isNewline)
            .compactMap { $0.split(separator: ":").first.map(String.init) }
        #expect(!names.contains("Expect") && !names.contains("X-Gone"), "\(run.output)")
        #expect(run.output.contains("X-Empty:"), "\(run.output)")
        #expect(run.output.contains("X-Also-Empty:"), "\(run.output)")
        #expect(run.output.contains("X-Full: 1"), "\(run.output)")
    }
}
