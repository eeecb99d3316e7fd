import Apus
import ApusContent
import Testing

@Suite struct BrotliCodecTests {
    @Test(arguments: [
        // A large window, which RFC 7932 does not have.
        "11", "1106", "ffffffff", "0b0700ffa4",
    ])
    func whatIsNoStreamIsAnError(hex: String) {
        let outcome = ContentSamples.decode(Bytes(hex: hex), [.brotli])
        #expect(outcome.error != nil)
        #expect(outcome.output.isEmpty)
    }

    @Test func anEmptyStreamIsRead() {
        let outcome = ContentSamples.decode(Bytes(hex: "3b"), [.brotli])
        #expect(outcome == ContentSamples.Outcome())
    }

    /// The events before a fault are delivered, where the fault is in a later piece.
    @Test func aFaultComesAfterTheEventsBeforeIt() {
        let pieces = ContentSamples.brotliEvents.prefix(2) + [Bytes(hex: "ffffffffffff")]
        let outcome = ContentSamples.decode(Array(pieces), [.brotli])
        #expect(outcome.error?.kind == .malformed)
        #expect(String(Bytes(outcome.output)) == "data: event 0\n\ndata: event 1\n\n")
    }
}
