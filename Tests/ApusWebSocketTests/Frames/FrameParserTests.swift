import Apus
import ApusWebSocket
import Testing

/// Splitting bytes into frames.
@Suite struct FrameParserTests {
    /// The frames, each with its payload joined, and how many pieces came first or last.
    private func frames(_ pieces: [[UInt8]]) throws -> [(FrameHeader, [UInt8])] {
        var parser = FrameParser()
        var frames: [(FrameHeader, [UInt8])] = []
        var firsts = 0
        var lasts = 0
        for piece in pieces {
            parser.bytesReceived(Bytes(piece))
            while let part = try parser.nextPiece() {
                if part.isFirst {
                    #expect(firsts == lasts)
                    firsts += 1
                    frames.append((part.header, []))
                }
                frames[frames.count - 1].1 += part.bytes.array
                if part.isLast { lasts += 1 }
            }
        }
        #expect(firsts == lasts)
        #expect(!parser.isWithinFrame)
        return frames
    }

    @Test func everySplitGivesTheSameFrames() throws {
        let payload = (0..<300).map { UInt8(truncatingIfNeeded: $0) }
        let bytes =
            wire(1, "Hello") + wire(9) + wire(2, payload) + wire(0, payload, mask: [1, 2, 3, 4])
            + wire(8, [3, 0xE8])
        for way in everySplit(bytes) {
            let frames = try frames(way)
            #expect(frames.map(\.0.opcode) == [.text, .ping, .binary, .continuation, .close])
            #expect(frames.map(\.1) == [Array("Hello".utf8), [], payload, payload, [3, 0xE8]])
        }
    }

    @Test func theExamplesOfTheRFC() throws {
        // RFC 6455, section 5.7.
        let plain: [UInt8] = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]
        let masked: [UInt8] = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ]
        #expect(try frames([plain]).map(\.1) == [Array("Hello".utf8)])
        #expect(try frames([masked]).map(\.1) == [Array("Hello".utf8)])
        let key = try #require(try frames([masked]).first?.0.mask)
        let header = FrameHeader(.text, length: 5, mask: key)
        #expect(FrameWriter.frame(header, Bytes("Hello")) == Bytes(masked))
    }

    @Test func aFrameThatIsNotWholeIsReported() throws {
        var parser = FrameParser()
        #expect(!parser.isWithinFrame)
        for byte in wire(2, [1, 2]).dropLast() {
            parser.bytesReceived(Bytes([byte]))
            while try parser.nextPiece() != nil {}
            #expect(parser.isWithinFrame)
        }
    }

    @Test func theFirstPieceComesWithTheHead() throws {
        var parser = FrameParser()
        parser.bytesReceived(Bytes(Array(wire(2, [1, 2]).prefix(2))))
        let piece = try #require(try parser.nextPiece())
        #expect(piece.isFirst && !piece.isLast && piece.bytes.isEmpty)
        #expect(try parser.nextPiece() == nil)
    }
}
