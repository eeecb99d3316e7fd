import Apus
import ApusWebSocket
import Testing

/// The head of a frame (RFC 6455, section 5.2).
@Suite struct FrameHeaderTests {
    @Test(arguments: [0, 1, 125, 126, 127, 65_535, 65_536, Int(UInt32.max) + 1])
    func aHeadIsReadAsItWasWritten(length: Int) throws {
        for opcode in FrameOpcode.allCases where !opcode.isControl || length <= 125 {
            for mask in [nil, 0x0403_0201] as [UInt32?] {
                let header = FrameHeader(
                    opcode, length: length, isFinal: opcode.isControl || length % 2 == 0,
                    isCompressed: opcode == .text, mask: mask)
                // The payload does not matter here.
                let small = FrameHeader(opcode, length: 0, mask: mask)
                #expect(FrameWriter.frame(small, .empty).count == small.size)
                let bytes = encoded(header)
                #expect(bytes.count == header.size)
                #expect(FrameHeader.size(bytes[0], bytes[1]) == header.size)
                #expect(try FrameHeader(parsing: Bytes(bytes)) == header)
            }
        }
    }

    private func encoded(_ header: FrameHeader) -> [UInt8] {
        var bytes = [
            (header.isFinal ? 0x80 : 0) | (header.isCompressed ? 0x40 : 0)
                | header.opcode.rawValue
        ]
        let masked: UInt8 = header.mask == nil ? 0 : 0x80
        let size = header.length < 126 ? 0 : header.length <= 0xFFFF ? 2 : 8
        bytes.append(masked | (size == 0 ? UInt8(header.length) : size == 2 ? 126 : 127))
        for index in 0..<size {
            bytes.append(UInt8(truncatingIfNeeded: header.length >> (8 * (size - 1 - index))))
        }
        if let mask = header.mask {
            for shift: UInt32 in [0, 8, 16, 24] {
                bytes.append(UInt8(truncatingIfNeeded: mask >> shift))
            }
        }
        return bytes
    }

    @Test(
        arguments: [
            ([0x81, 126, 0, 125], "shortest form"),
            ([0x81, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], "shortest form"),
            ([0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], "highest bit"),
            ([0xA1, 0], "reserved bit"), ([0x91, 0], "reserved bit"),
            ([0x83, 0], "opcode 3"), ([0x8F, 0], "opcode 15"),
            ([0x89, 126, 0, 126], "more than 125"), ([0x08, 0], "fragmented"),
            ([0xC9, 0], "compressed"),
        ] as [([UInt8], String)])
    func aWrongHeadIsRefused(bytes: [UInt8], words: String) {
        let fault = #expect(throws: WebSocketFault.self) {
            try FrameHeader(parsing: Bytes(bytes))
        }
        #expect(fault?.code == .protocolError)
        #expect(fault?.message.contains(words) == true)
    }
}
