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

    @Test("rows 24 and 25: the outcome does not depend on the cut", arguments: accepted + rejected)
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

    /// The inbound rules of FAULTS section 2.3, and the transcripts that break them.
    static let inboundRules: [(rule: String, transcripts: [String])] = [
        (
            "Transfer-Encoding is chunked, once and last",
            [
                "encoding-chunked-gzip", "encoding-chunked-twice", "encoding-chunked-twice-fields",
                "encoding-empty", "encoding-gzip-chunked", "encoding-identity",
                "encoding-parameter", "encoding-prefix", "encoding-quoted",
            ]
        ),
        ("no Transfer-Encoding with Content-Length", ["encoding-with-length"]),
        ("no Transfer-Encoding in HTTP/1.0", ["encoding-in-http10"]),
        (
            "one Content-Length, or the same again",
            ["content-length-differing", "content-length-differing-list"]
        ),
        (
            "Content-Length is digits, below 2^63",
            [
                "content-length-plus", "content-length-minus", "content-length-hex",
                "content-length-blank-within", "content-length-underscore",
                "content-length-overflow", "content-length-overflow-far",
                "content-length-empty", "content-length-empty-element",
            ]
        ),
        (
            "lines end in CRLF, and are not folded",
            [
                "bare-lf-in-fields", "bare-lf-in-status-line", "bare-lf-at-end", "bare-cr",
                "bare-cr-splitting", "folded", "folded-tab", "folded-first", "cr-cr-lf",
            ]
        ),
        (
            "names are tokens, directly followed by the colon",
            ["blank-before-colon", "tab-before-colon", "name-empty", "name-no-token", "no-colon"]
        ),
        ("no controls in values", ["value-control", "value-delete", "value-nul", "value-escape"]),
        (
            "a chunk's size is up to 16 hexadecimal digits",
            [
                "chunk-size-0x", "chunk-size-plus", "chunk-size-minus", "chunk-size-underscore",
                "chunk-size-blank-first", "chunk-size-blank-after", "chunk-size-overflow",
                "chunk-size-empty", "chunk-size-letter",
            ]
        ),
        (
            "chunk extensions are bounded, each and together",
            ["chunk-extension-above-bound", "chunk-extension-amplification"]
        ),
        (
            "a chunk's data ends in CRLF",
            ["chunk-data-unended", "chunk-data-bare-lf", "chunk-data-bare-cr"]
        ),
        (
            "trailers are bounded and frame nothing",
            ["trailers-above-bound", "trailers-many", "trailers-encoding", "trailers-length"]
        ),
        (
            "bytes after a response answer no request",
            ["extra-after-length", "extra-after-chunked", "extra-after-close", "unasked"]
        ),
        ("204, 304 and HEAD have no body", ["extra-after-204", "extra-after-head"]),
        ("101 only when asked for", ["upgrade-not-asked", "upgrade-to-another"]),
        ("1xx are bounded", ["informational-flood", "informational-only"]),
    ]

    @Test("2.3: each inbound rule has transcripts that break it", arguments: inboundRules)
    func anInboundRule(_ rule: String, _ names: [String]) {
        for name in names {
            let transcript = Self.rejected.first { $0.name == "reject/\(name).txt" }
            #expect(transcript != nil, "\(rule): \(name)")
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
