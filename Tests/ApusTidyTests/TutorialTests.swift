import Testing

/// The tutorial of the gateway is a program that is built and run as it is printed.
@Suite struct TutorialTests {
    private static let path = "Examples/Gateway/Sources/Tutorial/main.swift"

    @Test func theListingIsTheProgram() throws {
        let program = try #require(SourceFile(path: Self.path))
        let guide = try #require(SourceFile(path: "Sources/Apus/Apus.docc/WritingAGateway.md"))
        let start = try #require(guide.lines.firstIndex(of: "## All of it"))
        let listing = guide.lines[start...].drop { $0 != "```swift" }.dropFirst()
            .prefix { $0 != "```" }
        #expect(Array(listing) == program.lines)
    }

    /// What README promises of it.
    @Test func theProgramIsShortAndNeedsNoTrick() throws {
        let program = try #require(SourceFile(path: Self.path))
        #expect(program.lines.count <= 75)
        let trick =
            /\bas[?!]? |nonisolated\(unsafe\)|TaskGroup|\bTask\b|@unchecked|[Kk]eep-?[Aa]live|transferEncoding/
        for (index, line) in program.code.enumerated() where line.contains(trick) {
            Issue.record("\(program.place(index)): the tutorial does without: \(line)")
        }
    }
}
