import Testing

/// Each accepted transcript has a similar one that is refused.
@Suite struct TranscriptPairsTests {
    /// The refused one, by the accepted one's name.
    static let beside: [String: String] = [
        "204": "extra-after-204",
        "205-with-length": "length-truncated",
        "304": "extra-after-head",
        "chunk-extension-blank-before": "chunk-size-blank-after",
        "chunked": "chunk-data-unended",
        "chunked-data-looks-like-framing": "chunk-data-bare-lf",
        "chunked-empty": "chunked-truncated-last",
        "chunked-extension-at-bound": "chunk-extension-above-bound",
        "chunked-extensions": "chunk-extension-control",
        "chunked-size-forms": "chunk-size-0x",
        "chunked-tiny": "chunk-size-empty",
        "chunked-trailers": "trailers-malformed",
        "close-delimited": "head-truncated",
        "close-delimited-empty": "no-response",
        "connect": "upgrade-not-asked",
        "connect-malformed-length": "connect-refused-malformed-length",
        "connect-refused": "connect-refused-malformed-length",
        "connection-close": "extra-after-close",
        "connection-close-in-list": "extra-after-close",
        "content-length": "content-length-plus",
        "content-length-identical-fields": "content-length-differing",
        "content-length-identical-list": "content-length-differing-list",
        "content-length-largest": "content-length-overflow",
        "content-length-leading-zeros": "content-length-hex",
        "content-length-zero": "content-length-empty",
        "early-final": "upgrade-before-request-end",
        "fields-at-bound": "fields-above-bound",
        "head-at-bound": "head-above-bound",
        "head-with-encoding": "content-length-bad-on-head",
        "head-with-length": "extra-after-head",
        "http10-close-delimited": "encoding-in-http10",
        "http10-keep-alive": "encoding-in-http10",
        "http10-length": "encoding-in-http10",
        "http19": "status-line-two-digit-minor",
        "idle-stream-end": "idle-408",
        "informational-at-bound": "informational-flood",
        "informational-then-final": "informational-only",
        "informational-with-length": "upgrade-not-asked",
        "keep-alive-hint": "unasked",
        "keep-alive-hint-nonsense": "name-no-token",
        "lenient-controls": "lenient-nul",
        "lenient-folded": "lenient-folded-length",
        "lenient-folded-controls": "lenient-controls-length",
        "names-keep-case-and-order": "name-beyond-ascii",
        "nginx": "bare-lf-in-fields",
        "reason-control": "reason-nul",
        "reason-empty": "status-line-tab",
        "reason-latin1": "reason-nul",
        "request-said-close": "extra-after-close",
        "status-line-no-reason-blank": "status-line-bare-cr-for-reason",
        "status-999": "status-line-four-digits",
        "two-exchanges": "extra-after-length",
        "upgrade": "upgrade-without-name",
        "upgrade-one-of-many": "upgrade-to-one-more",
        "upgrade-refused": "upgrade-not-asked",
        "values-beyond-ascii": "value-control",
        "values-trimmed": "blank-before-colon",
    ]

    @Test func eachAcceptedTranscriptHasARefusedOneBesideIt() {
        let rejected = Set(Transcript.all(in: "reject").map(\.name))
        for transcript in Transcript.all(in: "accept") {
            let name = transcript.name.dropFirst("accept/".count).dropLast(".txt".count)
            let other = Self.beside[String(name)]
            #expect(
                other.map { rejected.contains("reject/\($0).txt") } == true,
                "\(transcript.name) has none beside it")
        }
    }

    @Test func thereAreTranscriptsEnough() {
        let count = Transcript.all(in: "accept").count + Transcript.all(in: "reject").count
        #expect(count >= 150)
    }
}
