import ApusHTTP1
import Testing

/// FAULTS rows 24 to 37, 41 and 42: each transcript has one outcome, however its bytes are cut.
@Suite struct TranscriptTests {
    private static let accepted = Transcript.all(in: "accept")
    private static let rejected = Transcript.all(in: "reject")

    @Test func thereAreTranscriptsOfBothKinds() {
        #expect(Self.accepted.count >= 40)
        #expect(Self.rejected.count >= 60)
    }

    @Test(arguments: accepted + rejected)
    func aTranscriptHasItsOutcomeWhole(_ transcript: Transcript) {
        #expect(Conversation.log(of: transcript, cut: .whole) == transcript.expected)
    }

    @Test(arguments: accepted + rejected)
    func aTranscriptHasItsOutcomeByteByByte(_ transcript: Transcript) {
        #expect(Conversation.log(of: transcript, cut: .byteByByte) == transcript.expected)
    }

    @Test(arguments: accepted + rejected)
    func aTranscriptHasItsOutcomeCutAnywhere(_ transcript: Transcript) {
        let longest = transcript.turns.map(\.bytes.count).max() ?? 0
        for offset in 0..<longest {
            let log = Conversation.log(of: transcript, cut: .at(offset))
            guard log != transcript.expected else { continue }
            Issue.record("cut at \(offset): \(log)")
            return
        }
    }

    @Test(arguments: rejected)
    func aRejectedTranscriptEndsInAnError(_ transcript: Transcript) {
        #expect(transcript.expected.contains { $0.hasPrefix("error ") })
    }

    @Test(arguments: accepted)
    func anAcceptedTranscriptHasNoError(_ transcript: Transcript) {
        #expect(!transcript.expected.contains { $0.hasPrefix("error ") })
    }
}
