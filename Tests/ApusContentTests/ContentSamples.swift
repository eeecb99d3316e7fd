import Apus
import ApusContent

/// Content for the tests, encoded in one go or piece by piece.
enum ContentSamples {
    /// "word0 word1 word4 ...", as `brotli` and others of these samples were made of.
    static let words = Bytes((0..<60).map { "word\($0 * $0 % 97) " }.joined())

    /// The words by python's brotli; this module has no encoder for it.
    static let brotliWords = Bytes(
        hex: """
            1b9a0140c48b66aa0b710e1e22dd8cffbac31aac2573addac8c039c604311483879fc1fb7f09a2ec43ec\
            8ca18914c36944cfbb4797b8cbad79a8fc03332d2403d1c47f17b17bdaf2ba9b11a0011a09150fdac1a8\
            be6fa5bcb39ca98d1da078d43f7909
            """)

    /// "data: event 0\n\n" to 3, flushed after each, and the end.
    static let brotliEvents = [
        "0b070000a415406074e420938852d729b2b4620303", "700000404a21a634092684c400",
        "700000404a41a682d02400c600", "700000404a61a682d02400c600", "03",
    ].map { Bytes(hex: $0) }

    /// 17 MiB of zeros.
    static let brotliZeros = Bytes(
        hex: """
            cbffff3ff82700e2b14020f7fe8fffff7ff04f00c4611180eefd5ffdff3ffe0980382c00d0bd7f00
            """)

    /// Bytes that do not compress.
    static func noise(_ count: Int, seed: UInt64 = 7) -> Bytes {
        var number = seed
        return Bytes(
            (0..<count).map { _ in
                number = number &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: number >> 33)
            })
    }

    static func encoded(
        _ bytes: Bytes, _ coding: ContentCoding, level: Int? = nil
    ) throws -> Bytes {
        if coding == .brotli {
            precondition(bytes == words, "a sample that was not made")
            return brotliWords
        }
        var encoder = try ContentEncoder(coding, level: level)
        encoder.bytesReceived(bytes)
        encoder.contentEnded()
        var result: [UInt8] = []
        while let piece = try encoder.nextOutput() { result += piece }
        return Bytes(result)
    }

    /// Each event flushed, and the end.
    static func events(_ events: [Bytes], _ coding: ContentCoding) throws -> [Bytes] {
        if coding == .brotli { return brotliEvents }
        var encoder = try ContentEncoder(coding)
        var pieces: [Bytes] = []
        for event in events {
            encoder.bytesReceived(event)
            encoder.flushRequested()
            var piece: [UInt8] = []
            while let output = try encoder.nextOutput() { piece += output }
            pieces.append(Bytes(piece))
        }
        encoder.contentEnded()
        var end: [UInt8] = []
        while let output = try encoder.nextOutput() { end += output }
        return pieces + [Bytes(end)]
    }

    /// What a decoder makes of pieces, and its error.
    struct Outcome: Equatable {
        var output: [UInt8] = []
        var error: ContentError?
        /// How many pieces the output came in.
        var pieces = 0
    }

    static func decode(
        _ pieces: [Bytes], _ codings: [ContentCoding], limits: ContentLimits = ContentLimits(),
        ends: Bool = true
    ) -> Outcome {
        var outcome = Outcome()
        do throws(ContentError) {
            var decoder = try ContentDecoder(codings, limits: limits)
            for piece in pieces {
                decoder.bytesReceived(piece)
                while let output = try decoder.nextOutput() {
                    outcome.output += output.array
                    outcome.pieces += 1
                }
            }
            guard ends else { return outcome }
            decoder.contentEnded()
            while let output = try decoder.nextOutput() {
                outcome.output += output.array
                outcome.pieces += 1
            }
        } catch {
            outcome.error = error
        }
        return outcome
    }

    static func decode(
        _ bytes: Bytes, _ codings: [ContentCoding], limits: ContentLimits = ContentLimits()
    ) -> Outcome {
        decode([bytes], codings, limits: limits)
    }
}

extension Bytes {
    /// The bytes of hexadecimal digits, two for each.
    init(hex: String) {
        let digits = hex.compactMap(\.hexDigitValue)
        self.init(
            stride(from: 0, to: digits.count - 1, by: 2).map {
                UInt8(digits[$0] << 4 | digits[$0 + 1])
            })
    }

    /// One byte in each piece.
    var single: [Bytes] { (0..<count).map { slice($0..<$0 + 1) } }

    func cut(at offset: Int) -> [Bytes] { [prefix(offset), dropFirst(offset)] }

    static func + (left: Bytes, right: Bytes) -> Bytes { Bytes(left.array + right.array) }
}
