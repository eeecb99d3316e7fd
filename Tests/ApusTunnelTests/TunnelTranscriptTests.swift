import Testing

/// The transcripts of Fixtures/wire/proxy.
@Suite struct TunnelTranscriptTests {
    /// Played whole, in every size of piece up to seven, and cut in two at every offset.
    @Test(arguments: try TunnelTranscript.all(in: "accept") + TunnelTranscript.all(in: "reject"))
    func eachTranscriptComesOutTheSameHoweverItIsCut(_ transcript: TunnelTranscript) throws {
        for step in [Int.max, 1, 2, 3, 4, 5, 6, 7] {
            var script = try TunnelScript(try transcript.handshake())
            script.receive(transcript.bytes, step: step)
            if transcript.isEnded { script.end() }
            let lines = transcript.lines(of: script)
            #expect(named(lines) == named(transcript.outcome), "step \(step)")
        }
        for cut in 1..<max(2, transcript.bytes.count) {
            var script = try TunnelScript(try transcript.handshake())
            script.receive(Array(transcript.bytes.prefix(cut)))
            script.receive(Array(transcript.bytes.dropFirst(cut)))
            if transcript.isEnded { script.end() }
            #expect(
                named(transcript.lines(of: script)) == named(transcript.outcome), "cut at \(cut)")
        }
    }

    @Test func theFoldersSayHowTheirTranscriptsEnd() throws {
        for transcript in try TunnelTranscript.all(in: "accept") {
            #expect(transcript.outcome.contains("established"), "\(transcript.testDescription)")
        }
        for transcript in try TunnelTranscript.all(in: "reject") {
            let isError = transcript.outcome.contains { $0.hasPrefix("error ") }
            #expect(isError, "\(transcript.testDescription)")
        }
    }

    private func named(_ lines: [String]) -> String {
        lines.joined(separator: "\n")
    }
}
