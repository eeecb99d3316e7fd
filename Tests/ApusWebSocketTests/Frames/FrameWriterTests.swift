import Apus
import ApusWebSocket
import Testing

@Suite struct FrameWriterTests {
    @Test(arguments: [0, 1, 7, 8, 31, 32, 33, 125, 126, 65_535, 65_536])
    func aFrameIsWhatAnIndependentWriterMakes(count: Int) {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let plain = FrameHeader(.binary, length: count)
        #expect(FrameWriter.frame(plain, Bytes(payload)).array == wire(2, payload))
        let masked = FrameHeader(.binary, length: count, isFinal: false, mask: 0xD4C3_B2A1)
        #expect(
            FrameWriter.frame(masked, Bytes(payload)).array
                == wire(2, payload, fin: false, mask: [0xA1, 0xB2, 0xC3, 0xD4]))
    }
}
