import ApusWebSocket
import Testing

@Suite struct MaskingTests {
    @Test(arguments: 0..<100) func aMaskIsAppliedByteByByte(count: Int) {
        let key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        for offset in 0..<9 {
            let expected = payload.enumerated().map { $1 ^ key[($0 + offset) % 4] }
            #expect(Masking.masked(payload, mask: 0x3D21_FA37, offset: offset) == expected)
        }
    }

    @Test func aSecondMaskRemovesTheFirst() {
        let payload = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 3) }
        for start in 0..<40 {
            let slice = Array(payload[start...])
            let once = Masking.masked(slice, mask: 0x0102_0304)
            #expect(once != slice)
            #expect(Masking.masked(once, mask: 0x0102_0304) == slice)
        }
    }
}
