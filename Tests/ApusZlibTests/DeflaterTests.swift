import ApusCore
import ApusZlib
import Testing

@Suite struct DeflaterTests {
    @Test(arguments: ZlibFormat.allCases, 0...9)
    func everyFormatAndLevelReadsBack(format: ZlibFormat, level: Int) throws {
        for body in [Bytes.empty, ZlibSamples.text(3000), ZlibSamples.noise(3000)] {
            let packed = try ZlibSamples.deflated(body, format, level: level)
            let back = try Inflater(format).all(of: packed)
            #expect(back.output == body)
            #expect(back.next == .end)
        }
    }

    @Test(arguments: ZlibFormat.allCases, 9...15)
    func everyWindowReadsBackWithItsOwnBits(format: ZlibFormat, bits: Int) throws {
        let body = ZlibSamples.text(40_000)
        let packed = try ZlibSamples.deflated(body, format, windowBits: bits)
        #expect(try Inflater(format, windowBits: bits).all(of: packed).output == body)
    }

    /// zlib cannot make such streams, and reads them.
    @Test func aRawStreamWithAWindowOf8BitsIsRefused() throws {
        #expect(throws: ZlibError.unsupportedSettings) { try Deflater(.raw, windowBits: 8) }
        #expect(throws: ZlibError.unsupportedSettings) { try Deflater(.gzip, windowBits: 8) }
        _ = try Deflater(.zlib, windowBits: 8)
        _ = try Inflater(.raw, windowBits: 8)
    }

    /// The limit cuts the steps; joined they are a stream.
    @Test(arguments: [64, 65, 100, 1000, 65536])
    func aStepYieldsAtMostItsLimit(limit: Int) throws {
        let body = ZlibSamples.noise(20_000)
        let deflater = try Deflater(.raw)
        var packed: [UInt8] = []
        var rest = body
        var next = ZlibStep.Next.again
        while next == .again {
            let step = try deflater.deflate(rest, flush: .finish, limit: limit)
            #expect(step.output.count <= limit)
            packed += step.output
            rest = rest.dropFirst(step.consumed)
            next = step.next
        }
        #expect(next == .end)
        #expect(try Inflater(.raw).all(of: Bytes(packed)).output == body)
    }

    /// A message of permessage-deflate: it ends with the empty stored block.
    @Test(arguments: [64, 80, 512, 65536])
    func aSyncFlushEndsWithTheEmptyStoredBlock(limit: Int) throws {
        let deflater = try Deflater(.raw)
        let inflater = try Inflater(.raw)
        for count in [1, 5, 300, 5000] {
            let body = ZlibSamples.noise(count)
            let packed = try deflater.all(of: body, flush: .sync, limit: limit)
            #expect(Array(packed).suffix(4) == [0, 0, 0xFF, 0xFF])
            let back = try inflater.all(of: packed)
            #expect(back.output == body)
            #expect(back.next == .input)
        }
    }

    /// Without context takeover each message is as the first; with it, a repetition is short.
    @Test func aResetStreamKnowsNothingOfTheLast() throws {
        let body = ZlibSamples.noise(400)
        let deflater = try Deflater(.raw)
        let first = try deflater.all(of: body, flush: .sync)
        let second = try deflater.all(of: body, flush: .sync)
        #expect(second.count < 40)
        deflater.reset()
        #expect(try deflater.all(of: body, flush: .sync) == first)
    }

    @Test func aStepAfterTheEndIsRefused() throws {
        let deflater = try Deflater(.gzip)
        _ = try deflater.all(of: Bytes("a"), flush: .finish)
        #expect(throws: ZlibError.malformed("the stream has ended")) {
            try deflater.deflate(Bytes("b"))
        }
        deflater.reset()
        let packed = try deflater.all(of: Bytes("b"), flush: .finish)
        #expect(try Inflater(.gzip).all(of: packed).output == Bytes("b"))
    }
}
