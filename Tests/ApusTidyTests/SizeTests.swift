import Testing

/// The numbers that keep a file readable in one sitting.
@Suite struct SizeTests {
    static let maxFileLines = 500
    static let maxFunctionLines = 70
    static let maxColumns = 100

    /// Tables that a program wrote, or bytes as they are on the wire: the path's beginning, and why
    /// the numbers do not bind it.
    static let exempt: [(path: String, reason: String)] = [
        ("Fixtures/wire/", "transcripts are bytes, not prose")
    ]

    private static let files = SourceTree.files(
        under: ["Sources", "Fixtures", "Tests", "Benchmarks", "Examples"],
        endings: ["swift", "c", "h", "modulemap"]
    ).filter { file in !exempt.contains { file.path.hasPrefix($0.path) } }

    @Test func noFileIsTooLong() {
        #expect(!Self.files.isEmpty)
        for file in Self.files where file.lines.count > Self.maxFileLines {
            Issue.record(
                "\(file.place(Self.maxFileLines)): \(file.lines.count) lines, the bound is 500")
        }
    }

    @Test func noLineIsTooWide() {
        for file in Self.files {
            for (index, line) in file.lines.enumerated() where line.count > Self.maxColumns {
                // A regular expression literal cannot be broken over lines.
                if file.path.hasPrefix("Tests/ApusTidyTests/"),
                    line.contains("/^") || line.contains("/\\b")
                {
                    continue
                }
                Issue.record("\(file.place(index)): \(line.count) columns, the bound is 100")
            }
        }
    }

    @Test func noFunctionIsTooLong() {
        for file in Self.files where file.path.hasSuffix(".swift") {
            for function in SwiftCode.functions(in: file.code)
            where function.count > Self.maxFunctionLines {
                Issue.record(
                    "\(file.place(function.lowerBound)): \(function.count) lines, the bound is 70")
            }
        }
    }

    @Test func noLineEndsInABlankOrHoldsATab() {
        for file in Self.files {
            for (index, line) in file.lines.enumerated()
            where line.last == " " || line.contains("\t") || line.hasSuffix("\r") {
                Issue.record("\(file.place(index)): a blank at the end, a tab or a carriage return")
            }
        }
    }
}
