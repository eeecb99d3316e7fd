import ApusCore
import ApusZlib
import Testing

@Suite struct InflaterTests {
    static let text = ZlibSamples.text(700)

    @Test(arguments: ZlibFormat.allCases)
    func aStreamCutAtEveryOffsetIsTheSame(format: ZlibFormat) throws {
        let packed = try ZlibSamples.deflated(Self.text, format)
        for cut in 0...packed.count {
            let inflater = try Inflater(format)
            let first = try inflater.all(of: packed.prefix(cut))
            #expect(first.next == (cut == packed.count ? .end : .input))
            #expect(first.rest.isEmpty)
            let second = try inflater.all(of: packed.dropFirst(cut))
            #expect(second.next == .end)
            #expect(Array(first.output) + Array(second.output) == Self.text.array)
        }
    }

    @Test(arguments: ZlibFormat.allCases)
    func aStreamByteByByteIsTheSame(format: ZlibFormat) throws {
        let packed = try ZlibSamples.deflated(Self.text, format)
        let inflater = try Inflater(format)
        var result: [UInt8] = []
        for index in 0..<packed.count {
            let part = try inflater.all(of: packed.slice(index..<index + 1))
            result += part.output
            #expect(part.next == (index == packed.count - 1 ? .end : .input))
        }
        #expect(result == Self.text.array)
    }

    /// A step yields at most its limit; a limit that the output just fills needs one more step.
    @Test(arguments: [1, 2, 100, 4096, 65536, 100_000])
    func aStepYieldsAtMostItsLimit(limit: Int) throws {
        let packed = try ZlibSamples.deflated(Bytes([UInt8](repeating: 7, count: 65536)), .gzip)
        let inflater = try Inflater(.gzip)
        var rest = packed
        var total = 0
        var next = ZlibStep.Next.again
        while next == .again {
            let step = try inflater.inflate(rest, limit: limit)
            #expect(step.output.count <= limit)
            total += step.output.count
            rest = rest.dropFirst(step.consumed)
            next = step.next
        }
        #expect(next == .end)
        #expect(total == 65536)
    }

    /// What was flushed is delivered with the piece that holds it.
    @Test func aFlushedPartIsNotHeldBack() throws {
        let deflater = try Deflater(.gzip)
        let inflater = try Inflater(.gzip)
        for number in 0..<50 {
            let event = Bytes("data: event \(number)\n\n")
            let piece = try deflater.all(of: event, flush: .sync)
            let part = try inflater.all(of: piece)
            #expect(part.output == event)
            #expect(part.next == .input)
        }
    }

    @Test(arguments: ZlibFormat.allCases)
    func whatFollowsTheEndIsLeft(format: ZlibFormat) throws {
        let packed = try ZlibSamples.deflated(Self.text, format)
        let inflater = try Inflater(format)
        let part = try inflater.all(of: Bytes(packed.array + [1, 2, 3]))
        #expect(part.output == Self.text)
        #expect(part.rest == Bytes([1, 2, 3]))
        #expect(part.next == .end)
        // A step after the end takes nothing.
        let late = try inflater.inflate(Bytes([9]))
        #expect(late.output.isEmpty && late.consumed == 0 && late.next == .end)
    }

    /// As the members of a gzip file.
    @Test func aResetStreamBeginsAgain() throws {
        let member = try ZlibSamples.deflated(Self.text, .gzip)
        let inflater = try Inflater(.gzip)
        let first = try inflater.all(of: Bytes(member.array + member.array))
        inflater.reset()
        let second = try inflater.all(of: first.rest)
        #expect(first.output == Self.text && second.output == Self.text)
        #expect(second.rest.isEmpty)
    }

    /// The good part comes first, then the error, and then the same error again.
    @Test func aDamagedStreamFailsAfterItsGoodPart() throws {
        let noise = ZlibSamples.noise(5000)
        var packed = try ZlibSamples.deflated(noise, .gzip).array
        // The checksum.
        packed[packed.count - 8] ^= 1
        let inflater = try Inflater(.gzip)
        let step = try inflater.inflate(Bytes(packed))
        #expect(step.next == .again)
        #expect(Bytes(step.output) == noise)
        for _ in 0..<2 {
            #expect(throws: ZlibError.malformed("incorrect data check")) {
                try inflater.inflate(Bytes(packed).dropFirst(step.consumed))
            }
        }
        inflater.reset()
        packed[packed.count - 8] ^= 1
        #expect(try inflater.all(of: Bytes(packed)).output == noise)
    }

    @Test(arguments: [
        (ZlibFormat.gzip, [0x1F, 0x8C], "incorrect header check"),
        (.gzip, [0x1F, 0x8B, 7, 0], "unknown compression method"),
        (.zlib, [0x78, 0x9D], "incorrect header check"),
        (.zlib, [0x78, 0xBB, 0, 0, 0, 1, 0], "a preset dictionary is needed"),
        (.raw, [7], "invalid block type"),
    ])
    func anUnknownHeaderIsMalformed(format: ZlibFormat, bytes: [Int], message: String) throws {
        let input = Bytes(bytes.map { UInt8($0) })
        #expect(throws: ZlibError.malformed(message)) {
            try Inflater(format).inflate(input)
        }
    }

    /// The window is a bound: a stream that needs the next larger one is refused.
    @Test func aWindowBeyondTheBoundIsMalformed() throws {
        let packed = try ZlibSamples.deflated(Self.text, .zlib, windowBits: 12)
        #expect(try Inflater(.zlib, windowBits: 12).all(of: packed).output == Self.text)
        #expect(throws: ZlibError.malformed("invalid window size")) {
            try Inflater(.zlib, windowBits: 11).all(of: packed)
        }
    }

    /// A header without a checksum of the whole names and comments what it likes.
    @Test func aGzipHeaderMayHaveEveryPart() throws {
        let plain = try ZlibSamples.deflated(Self.text, .gzip).array
        let extra: [UInt8] = [3, 0, 1, 2, 3]
        let packed = Array(plain[..<3]) + [0x1C] + plain[4..<10] + extra + Array("name".utf8) + [0]
        let inflater = try Inflater(.gzip)
        let whole = packed + Array("comment".utf8) + [0] + plain[10...]
        #expect(try inflater.all(of: Bytes(whole)).output == Self.text)
    }

    /// A short result does not keep the storage of a long one, and an empty input yields nothing.
    @Test func anEmptyInputYieldsNothing() throws {
        let inflater = try Inflater(.raw)
        let step = try inflater.inflate(.empty)
        #expect(step.output.isEmpty && step.consumed == 0 && step.next == .input)
        #expect(step.output.capacity < 64)
    }
}
