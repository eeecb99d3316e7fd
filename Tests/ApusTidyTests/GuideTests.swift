import Testing

/// The guides say what is so: their code compiles, and the names in it exist.
@Suite struct GuideTests {
    /// Those whose code stands word for word in `GuideExamples.swift` or in tests that run it.
    private static let names = ["Tuning", "ReadingASnapshot", "FromNetHTTP", "GettingThrough"]
    private static let guides = SourceTree.files(
        under: ["Sources/Apus/Apus.docc"], endings: ["md"]
    ).filter { file in names.contains { file.path.hasSuffix("/\($0).md") } }
    /// Code that is compiled with the tests or as an example, each file without its indentation.
    private static let compiled = SourceTree.files(
        under: ["Tests", "Examples"], endings: ["swift"]
    ).filter { !$0.path.hasPrefix("Tests/ApusTidyTests/") }.map { plain($0.lines) }

    @Test func everyExampleInAGuideIsCompiledSomewhere() {
        var examples = 0
        for guide in Self.guides {
            for (index, block) in blocks(of: guide) {
                examples += 1
                let text = Self.plain(block)
                if Self.compiled.contains(where: { $0.contains(text) }) { continue }
                Issue.record("\(guide.place(index)): this code is compiled nowhere")
            }
        }
        #expect(examples >= 20)
    }

    /// A reason, a cause or a field in a table of a guide is one that the code has.
    @Test func theReasonsAndNumbersInTheTablesExist() throws {
        let core = SourceTree.files(under: ["Sources/ApusCore"], endings: ["swift"])
            .map { $0.lines.joined(separator: "\n") }.joined(separator: "\n")
        let names = /`(?:(?:pool|dial|http1|http2|limits|tls)?\.)?([a-zA-Z0-9]+)`/
        for name in ["Tuning", "ReadingASnapshot"] {
            let guide = try #require(SourceFile(path: "Sources/Apus/Apus.docc/\(name).md"))
            for (index, line) in guide.lines.enumerated() where line.hasPrefix("| `") {
                let first = line.split(separator: "|")[0]
                for match in first.matches(of: names)
                where !core.contains("var \(match.1)") && !core.contains("case \(match.1)") {
                    Issue.record("\(guide.place(index)): there is no \(match.1)")
                }
            }
        }
    }

    /// The Swift blocks of a guide, with the line where each begins.
    private func blocks(of guide: SourceFile) -> [(Int, [Substring])] {
        var found: [(Int, [Substring])] = []
        var open: (Int, [Substring])?
        for (index, line) in guide.lines.enumerated() {
            if line == "```swift" {
                open = (index, [])
            } else if line == "```", let block = open {
                found.append(block)
                open = nil
            } else {
                open?.1.append(line)
            }
        }
        return found
    }

    /// The lines without indentation and blank lines.
    private static func plain(_ lines: [Substring]) -> String {
        lines.map { line in
            var rest = line.drop { $0 == " " }
            while rest.last == " " { rest.removeLast() }
            return String(rest)
        }.filter { !$0.isEmpty }.joined(separator: "\n")
    }
}
