import Apus
import ApusHTTP1
import Foundation
import Loopback
import Testing

/// The encoder's output, as h11, a strict reader by others, parses it.
@Suite(
    "h11", .timeLimit(.minutes(5)),
    .enabled(if: StrictReader.isInstalled, "h11 for python3 is not installed"))
struct StrictReaderTests {
    /// What was asked for, and so what must be read.
    struct Sample: Equatable {
        var method = ""
        var target = ""
        var fields: [[String]] = []
        var content = ""
        var trailers: [[String]] = []
    }

    @Test("3000 random requests are read as they were meant")
    func randomRequests() async throws {
        var random = SystemRandomNumberGenerator()
        var samples: [Sample] = []
        var file: [UInt8] = []
        for _ in 0..<3000 {
            let (sample, bytes) = try Self.make(&random)
            samples.append(sample)
            withUnsafeBytes(of: UInt32(bytes.count).bigEndian) { file += $0 }
            file += bytes
        }
        let path = try ServedFiles.temporaryFolder.get() + "/requests-\(UUID().uuidString)"
        try Data(file).write(to: URL(fileURLWithPath: path))
        let script = FixturePaths.root + "/oracles/h11_reader.py"
        let process = try ChildProcess(
            try #require(Programs.path("python3")), [script, path], output: path + ".read",
            errors: path + ".errors")
        #expect(await process.waitForEnd() == 0, "\(tail(of: path + ".errors"))")
        let lines = try String(contentsOfFile: path + ".read", encoding: .utf8)
            .split(separator: "\n")
        #expect(lines.count == samples.count)
        for (sample, line) in zip(samples, lines) {
            let json = try JSONSerialization.jsonObject(with: Data(line.utf8))
            let record = try #require(json as? [String: Any])
            #expect(record["error"] as? String == nil)
            let read = Sample(
                method: record["method"] as? String ?? "",
                target: record["target"] as? String ?? "",
                fields: record["fields"] as? [[String]] ?? [],
                content: record["content"] as? String ?? "",
                trailers: record["trailers"] as? [[String]] ?? [])
            guard read == sample else {
                Issue.record("meant \(sample), read \(read)")
                return
            }
            #expect(record["version"] as? String == Self.hex("1.1"))
        }
    }

    // MARK: Making

    private static func make(
        _ random: inout SystemRandomNumberGenerator
    ) throws -> (Sample, [UInt8]) {
        let method = try #require(
            HTTPRequest.Method(
                ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "x-Odd!"]
                    .randomElement(using: &random) ?? "GET"))
        let path = "/" + text(0..<40, of: targetBytes, &random)
        var request = HTTPRequest(
            method: method, scheme: "http", authority: "example.com:8080", path: path)
        var fields: [(String, [UInt8])] = []
        for _ in 0..<Int.random(in: 0..<10, using: &random) {
            fields.append(field("X-", &random))
        }
        let content = (0..<Int.random(in: 0..<3000, using: &random)).map { _ in
            UInt8.random(in: 0...255, using: &random)
        }
        let framing: RequestFraming =
            [.chunked, .length(UInt64(content.count)), .none].randomElement(using: &random)
            ?? .none
        var framed: [(String, [UInt8])] = []
        switch framing {
        case .chunked: framed = [("Transfer-Encoding", Array("chunked".utf8))]
        case .length(let count): framed = [("Content-Length", Array(String(count).utf8))]
        case .none where [.post, .put, .patch].contains(method):
            framed = [("Content-Length", Array("0".utf8))]
        case .none: break
        }
        // Half of the callers place framing and Host themselves, in a spelling of their own.
        var expected: [(String, [UInt8])] =
            [("Host", Array("example.com:8080".utf8))] + fields + framed
        if Bool.random(using: &random) {
            expected =
                ([("hOST", Array("example.com:8080".utf8))] + fields
                + framed.map {
                    ($0.0.lowercased(), $0.1)
                }).shuffled(using: &random)
            fields = expected
        }
        for (name, value) in fields {
            let name = try #require(HTTPField.Name(name))
            request.headerFields.append(HTTPField(name: name, value: value))
        }
        var bytes: [UInt8] = []
        try RequestEncoder.appendHead(
            of: request, target: .origin, framing: framing, connection: .keepAlive,
            additional: [:], to: &bytes)
        var trailers: [(String, [UInt8])] = []
        if framing == .chunked {
            try appendChunks(content, &trailers, to: &bytes, &random)
        } else if framing != .none {
            bytes += content
        }
        let sample = Sample(
            method: hex(method.rawValue), target: hex(path), fields: expected.map(hex),
            content: framing == .none ? "" : hex(content), trailers: trailers.map(hex))
        return (sample, bytes)
    }

    private static func appendChunks(
        _ content: [UInt8], _ trailers: inout [(String, [UInt8])], to bytes: inout [UInt8],
        _ random: inout SystemRandomNumberGenerator
    ) throws {
        var rest = content[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...700, using: &random))
            rest = rest.dropFirst(piece.count)
            RequestEncoder.appendChunkHead(size: piece.count, to: &bytes)
            bytes += piece
            RequestEncoder.appendChunkEnd(to: &bytes)
        }
        trailers = (0..<Int.random(in: 0..<3, using: &random)).map { _ in field("T-", &random) }
        var fields = HTTPFields()
        for (name, value) in trailers {
            let name = try #require(HTTPField.Name(name))
            fields.append(HTTPField(name: name, value: value))
        }
        try RequestEncoder.appendLastChunk(trailers: fields, to: &bytes)
    }

    private static func field(
        _ prefix: String, _ random: inout SystemRandomNumberGenerator
    ) -> (String, [UInt8]) {
        let name = prefix + text(1..<20, of: tokenBytes, &random)
        let inner = (0..<Int.random(in: 0..<30, using: &random)).map { _ in
            valueBytes.randomElement(using: &random) ?? 0x61
        }
        // Blanks at the ends of a value are not its own.
        return (name, inner.isEmpty ? [] : [0x61] + inner + [0x7A])
    }

    private static func text(
        _ count: Range<Int>, of bytes: [UInt8], _ random: inout SystemRandomNumberGenerator
    ) -> String {
        let picked = (0..<Int.random(in: count, using: &random)).map { _ in
            bytes.randomElement(using: &random) ?? 0x61
        }
        return String(decoding: picked, as: UTF8.self)
    }

    private static let tokenBytes = Array(
        "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!#$%&'*+-.^_`|~".utf8)
    private static let targetBytes = [UInt8](0x21..<0x7F).filter { $0 != UInt8(ascii: "#") }
    private static let valueBytes = [UInt8](0x20..<0x7F) + [0x09] + [UInt8](0xA0...0xFF)

    private static func hex(_ text: String) -> String { hex(Array(text.utf8)) }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func hex(_ field: (String, [UInt8])) -> [String] {
        [hex(field.0), hex(field.1)]
    }
}

/// The reader in `Fixtures/oracles`.
private enum StrictReader {
    static let isInstalled: Bool = {
        guard let python = Programs.path("python3"),
            let process = try? ChildProcess(python, ["-c", "import h11"], output: "/dev/null")
        else { return false }
        return process.waitBlocking() == 0
    }()
}
