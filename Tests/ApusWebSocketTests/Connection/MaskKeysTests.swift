import ApusWebSocket
import Testing

@Suite struct MaskKeysTests {
    @Test func aRandomNumberMakesTwoKeys() {
        var keys = MaskKeys(SeededGenerator(7))
        var numbers = SeededGenerator(7)
        for _ in 0..<10 {
            let number: UInt64 = numbers.next()
            #expect(keys.next() == UInt32(truncatingIfNeeded: number))
            #expect(keys.next() == UInt32(number >> 32))
        }
    }
}
