import Testing

/// The pages for readers are short, linked, and true where a program can check it.
@Suite struct PagesTests {
    @Test(arguments: [("ARCHITECTURE.md", 250), ("README.md", 150)])
    func aPageIsShort(path: String, maxLines: Int) throws {
        let page = try #require(SourceFile(path: path))
        #expect(page.lines.count <= maxLines, "\(path): \(page.lines.count) lines")
    }

    @Test func everyPageIsLinkedFromTheTop() throws {
        let links = try ["README.md", "ARCHITECTURE.md"].flatMap { path in
            try #require(SourceFile(path: path)).lines.flatMap { line in
                line.matches(of: /\]\(([^)\s#]+)/).map { String($0.1) }
            }
        }
        let pages = SourceTree.files(under: ["docs"], endings: ["md"])
        #expect(!pages.isEmpty)
        for page in pages where !links.contains(page.path) {
            Issue.record("\(page.place(0)): neither README.md nor ARCHITECTURE.md links this page")
        }
    }

    /// A row of a table of bounds ends with the tests that show it, each of which exists.
    @Test(arguments: [("docs/limits.md", 60), ("docs/http2.md", 25), ("docs/incidents.md", 50)])
    func everyBoundNamesTestsThatExist(path: String, minRows: Int) throws {
        let page = try #require(SourceFile(path: path))
        var rows = 0
        for (index, line) in page.lines.enumerated() where line.hasPrefix("| ") {
            let cells = line.split(separator: "|")
            guard cells.count == 4, let shownBy = cells.last else {
                Issue.record("\(page.place(index)): a bound has four cells")
                continue
            }
            if shownBy == " shown by " { continue }
            rows += 1
            let names = shownBy.matches(of: /`([^`]+)`/).map { String($0.1) }
            if names.isEmpty { Issue.record("\(page.place(index)): names no test") }
            for name in names where !isTest(name) && !isTranscript(name) {
                Issue.record("\(page.place(index)): there is no test \(name)")
            }
        }
        #expect(rows >= minRows)
    }

    /// A Swift file that a page names is there.
    @Test func everyFileNamedInAPageExists() {
        let names = Set(SourceTree.swiftFiles.map { $0.path.split(separator: "/").last ?? "" })
        let tops = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
        let pages = SourceTree.textFiles.filter {
            tops.contains($0.path) || ($0.path.hasPrefix("docs/") && $0.path.hasSuffix(".md"))
        }
        #expect(pages.count > tops.count)
        for page in pages {
            for (index, line) in page.lines.enumerated() {
                guard line.contains(".swift") else { continue }
                for match in line.matches(of: /(?:^|[^\w*+.])([\w+]+\.swift)\b/)
                where !names.contains(match.1) && match.1 != "Package.swift" {
                    Issue.record("\(page.place(index)): there is no file \(match.1)")
                }
            }
        }
    }

    /// The order of a tick is written twice, for readers of the page and of the code.
    @Test func aTickHasOneOrder() throws {
        let page = try #require(SourceFile(path: "ARCHITECTURE.md"))
        let loop = try #require(
            SourceTree.swiftFiles.first { $0.path.hasSuffix("/EventLoop.swift") })
        let documented = page.lines.drop { $0 != "<!-- tick -->" }.dropFirst()
            .prefix { $0 != "<!-- /tick -->" }.map(String.init)
        let steps = loop.lines.compactMap { line in
            line.wholeMatch(of: /\/\/\/ (\d\. .+)/).map { String($0.1) }
        }
        #expect(documented.count == 6)
        #expect(steps == documented)
    }

    /// Words that puzzle: write "after", "is", "reports", "the caller", "no caller" for them.
    @Test func thePagesAreInPlainWords() {
        let puzzling = /\b(behind|stands|told|tells|whoever|whom|nobody|somebody|anybody)\b/
        for page in SourceTree.textFiles where page.path.hasSuffix(".md") {
            var isCode = false
            for (index, line) in page.lines.enumerated() {
                if line.contains("```") { isCode.toggle() }
                if isCode { continue }
                let parts = line.split(separator: "`", omittingEmptySubsequences: false)
                let prose = parts.indices.filter { $0 % 2 == 0 }.map { parts[$0] }
                for part in prose {
                    guard let match = part.lowercased().firstMatch(of: puzzling) else { continue }
                    Issue.record("\(page.place(index)): \"\(match.1)\" is not a plain word here")
                }
            }
        }
    }

    /// The same for comments, messages and names of tests.
    @Test func theCodeIsInPlainWords() {
        let puzzling = /\b(behind|told|tells|whoever|whom|nobody|somebody|anybody)\b/
        for file in SourceTree.swiftFiles where !file.path.hasSuffix("/PagesTests.swift") {
            for (index, line) in file.lines.enumerated() {
                guard let match = line.lowercased().firstMatch(of: puzzling) else { continue }
                Issue.record("\(file.place(index)): \"\(match.1)\" is not a plain word here")
            }
        }
    }

    private func isTest(_ name: String) -> Bool {
        let parts = name.split(separator: ".").map(String.init)
        guard let last = parts.last else { return false }
        if parts.count == 1 { return Self.suites[last] != nil || Self.tests.contains(last) }
        return Self.suites[parts[0]]?.contains(last) == true
    }

    private func isTranscript(_ name: String) -> Bool {
        Self.transcripts.contains { $0.hasSuffix("/\(name).txt") }
    }

    private static let transcripts = SourceTree.files.filter { $0.hasPrefix("Fixtures/wire/") }

    private static let tests = suites.values.reduce(into: Set<String>()) { $0.formUnion($1) }

    /// The functions marked as tests, by the type or extension that holds them.
    private static let suites: [String: Set<String>] = {
        let owner = /^(?:[^ ].*)?\b(?:struct|class|actor|enum|extension) (\w+)/
        var found: [String: Set<String>] = [:]
        for file in SourceTree.files(under: ["Tests"], endings: ["swift"]) {
            var type = ""
            var isMarked = false
            for line in file.code {
                if line.first != " ", let match = line.firstMatch(of: owner) {
                    type = String(match.1)
                }
                if line.contains("@Test") { isMarked = true }
                guard isMarked, let match = line.firstMatch(of: /\bfunc `?(\w+)/) else { continue }
                found[type, default: []].insert(String(match.1))
                isMarked = false
            }
        }
        return found
    }()
}
