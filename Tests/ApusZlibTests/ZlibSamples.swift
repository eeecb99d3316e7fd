import ApusCore
import ApusZlib

/// Bytes for the tests, and whole streams made in one go.
enum ZlibSamples {
    /// Words with many repetitions: about `count` bytes.
    static func text(_ count: Int) -> Bytes {
        var text = ""
        var number: UInt64 = 1
        while text.utf8.count < count {
            number = number &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            text += "word\(number >> 52) "
        }
        return Bytes(text)
    }

    /// Bytes that do not compress.
    static func noise(_ count: Int) -> Bytes {
        var number: UInt64 = 7
        return Bytes(
            (0..<count).map { _ in
                number = number &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: number >> 33)
            })
    }

    static func deflated(
        _ bytes: Bytes, _ format: ZlibFormat, level: Int = 6, windowBits: Int = 15
    ) throws -> Bytes {
        let deflater = try Deflater(format, level: level, windowBits: windowBits)
        return try deflater.all(of: bytes, flush: .finish)
    }
}

extension Deflater {
    /// Every step of one input.
    func all(
        of input: Bytes, flush: Flush, limit: Int = Deflater.defaultLimit
    ) throws(ZlibError) -> Bytes {
        var result: [UInt8] = []
        var rest = input
        while true {
            let step = try deflate(rest, flush: flush, limit: limit)
            result += step.output
            rest = rest.dropFirst(step.consumed)
            if step.next != .again { return Bytes(result) }
        }
    }
}

extension Inflater {
    /// Every step of one input, and what was not taken of it.
    func all(
        of input: Bytes, limit: Int = Inflater.defaultLimit
    ) throws(ZlibError) -> (output: Bytes, rest: Bytes, next: ZlibStep.Next) {
        var result: [UInt8] = []
        var rest = input
        while true {
            let step = try inflate(rest, limit: limit)
            result += step.output
            rest = rest.dropFirst(step.consumed)
            if step.next != .again { return (Bytes(result), rest, step.next) }
        }
    }
}
