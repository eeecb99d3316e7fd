import Apus
import ApusContent
import Foundation
import Loopback
import Testing

/// Bodies that python's zlib, brotli and zstandard encoded, some of them damaged.
@Suite(
    "bodies of other libraries", .timeLimit(.minutes(10)),
    .enabled(
        if: PythonBodies.areThere,
        "python3 has no modules brotli and zstandard (python3-brotli, python3-zstandard)"))
struct PythonBodiesTests {
    /// 400 of them; 10,000 with `APUS_SOAK`.
    @Test("R23: what python encodes is decoded alike, cut at random places")
    func whatPythonEncodesIsDecodedAlike() throws {
        let count = ProcessInfo.processInfo.environment["APUS_SOAK"] == nil ? 400 : 10_000
        var bodies = try PythonBodies(count: count, seed: 15)
        var dice = Dice(seed: 15)
        var damaged = 0
        var total = 0
        while let body = try bodies.next() {
            let pieces = dice.cut(body.encoded)
            let outcome = ContentSamples.decode(pieces, body.codings)
            let isRight =
                body.isGood
                ? outcome.error == nil && outcome.output == body.plain : outcome.error != nil
            if !isRight {
                let codings = body.codings.map(\.rawValue)
                Issue.record(
                    """
                    body \(total), \(codings), \(pieces.count) pieces: \(outcome.output.count) \
                    bytes of \(body.plain.count), \(outcome.error?.description ?? "no error")
                    """)
            }
            damaged += body.isGood ? 0 : 1
            total += 1
        }
        #expect(total == count)
        #expect(damaged > count / 20)
        if count > 400 { print("soak: \(total) bodies, \(damaged) of them refused by both") }
    }
}

/// Numbers that follow a seed.
private struct Dice {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func below(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
    }

    /// Pieces of one to `most` bytes, where `most` changes from body to body.
    mutating func cut(_ bytes: [UInt8]) -> [Bytes] {
        let most = [1, 3, 17, 300, 5000, 100_000][below(6)]
        let whole = Bytes(bytes)
        var pieces: [Bytes] = []
        var start = 0
        // Many pieces of a long body take long in a debug build.
        while start < bytes.count, pieces.count < 300 {
            let end = min(bytes.count, start + 1 + below(most))
            pieces.append(whole.slice(start..<end))
            start = end
        }
        return start < bytes.count ? pieces + [whole.dropFirst(start)] : pieces
    }
}

/// The bodies of one process of python, read as they are written.
private struct PythonBodies {
    struct Body {
        var isGood: Bool
        var codings: [ContentCoding]
        var plain: [UInt8]
        var encoded: [UInt8]
    }

    /// Debian's own python, which has Debian's modules.
    private static let python = "/usr/bin/python3"
    static let areThere: Bool = {
        guard FileManager.default.isExecutableFile(atPath: python) else { return false }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = ["-c", "import brotli, zstandard"]
        process.standardError = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            return false
        }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()

    private let process = Process()
    private let output = Pipe()
    private var buffer = Data()

    init(count: Int, seed: Int) throws {
        process.executableURL = URL(fileURLWithPath: Self.python)
        process.arguments = [
            FixturePaths.root + "/oracles/content_bodies.py", "\(count)", "\(seed)",
        ]
        process.standardOutput = output
        try process.run()
    }

    /// The next body; `nil` when all have come.
    mutating func next() throws -> Body? {
        while buffer.firstIndex(of: 0x0A) == nil {
            guard try fill() else {
                process.waitUntilExit()
                #expect(process.terminationStatus == 0)
                return nil
            }
        }
        let end = try #require(buffer.firstIndex(of: 0x0A))
        let words = String(decoding: buffer[..<end], as: UTF8.self).split(separator: " ")
        try #require(words.count == 4)
        let lengths = (try #require(Int(words[2])), try #require(Int(words[3])))
        buffer = buffer[(end + 1)...]
        while buffer.count < lengths.0 + lengths.1 { try #require(try fill()) }
        let plain = buffer.prefix(lengths.0)
        let encoded = buffer.dropFirst(lengths.0).prefix(lengths.1)
        buffer = Data(buffer.dropFirst(lengths.0 + lengths.1))
        return Body(
            isGood: words[0] == "good",
            codings: words[1].split(separator: ",").compactMap { ContentCoding(name: $0) },
            plain: Array(plain), encoded: Array(encoded))
    }

    private mutating func fill() throws -> Bool {
        guard let more = try output.fileHandleForReading.read(upToCount: 64 * 1024), !more.isEmpty
        else { return false }
        buffer.append(more)
        return true
    }
}
