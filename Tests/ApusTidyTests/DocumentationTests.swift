import Foundation
import Testing

/// Every file says what it is for, and what the documents say is so.
@Suite struct DocumentationTests {
    /// The type that a file is named for has a documentation comment; a file of extensions may say
    /// above them what they are about, and a suite of tests is named for what it tests.
    @Test func everyFileSaysWhatItIsFor() {
        for file in SourceTree.swiftFiles {
            guard let index = mainDeclaration(of: file), !isDocumented(file, at: index) else {
                continue
            }
            let isType = !file.code[index].contains("extension ")
            let isSuite = file.code.contains { $0.contains("@Test") }
            if isSuite || (!isType && hasHeader(file, above: index)) { continue }
            Issue.record("\(file.place(index)): no documentation comment says what this is for")
        }
    }

    @Test(arguments: [
        "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "LICENSE",
        "Makefile", ".swift-format", ".editorconfig", ".ci/run",
    ])
    func theTopLevelHolds(path: String) {
        let isThere = FileManager.default.fileExists(
            atPath: SourceTree.root.appendingPathComponent(path).path)
        #expect(isThere, "\(path):1: is missing")
    }

    /// A command in a document must be one that the Makefile knows.
    @Test func everyMakeCommandInADocumentExists() throws {
        let makefile = try #require(SourceFile(path: "Makefile"))
        let targets = Set(makefile.lines.compactMap { $0.firstMatch(of: /^([a-z][a-z-]*):/)?.1 })
        for file in documents {
            for (index, line) in codeLines(of: file) {
                for match in line.matches(of: /\bmake ([a-z][a-z-]*)/)
                where !targets.contains(match.1) {
                    Issue.record("\(file.place(index)): the Makefile has no \"\(match.1)\"")
                }
            }
        }
    }

    @Test func everyRelativeLinkLeadsSomewhere() {
        var links = 0
        for file in documents {
            let folder = SourceTree.root.appendingPathComponent(file.path)
                .deletingLastPathComponent()
            for (index, line) in file.lines.enumerated() {
                for match in line.matches(of: /\]\(([^)\s#]*)(?:#([^)]*))?\)/)
                where !match.1.contains(":") {
                    links += 1
                    let target = folder.appendingPathComponent(String(match.1)).standardizedFileURL
                    guard FileManager.default.fileExists(atPath: target.path) else {
                        Issue.record("\(file.place(index)): \(match.1) does not exist")
                        continue
                    }
                    guard let anchor = match.2 else { continue }
                    let page = match.1.isEmpty ? file : self.page(at: target)
                    if page.map({ anchors(of: $0).contains(String(anchor)) }) != true {
                        Issue.record("\(file.place(index)): \(match.1) has no #\(anchor)")
                    }
                }
            }
        }
        #expect(links >= 40)
    }

    /// A guide names another guide of its catalog by `<doc:NAME>`.
    @Test func everyLinkBetweenGuidesLeadsSomewhere() {
        let guides = documents.filter { $0.path.contains(".docc/") }
        for guide in guides {
            let folder = guide.path.prefix { $0 != "." } + ".docc/"
            for (index, line) in guide.lines.enumerated() {
                for match in line.matches(of: /<doc:(\w+)>/) {
                    let path = "\(folder)\(match.1).md"
                    if guides.contains(where: { $0.path == path }) { continue }
                    Issue.record("\(guide.place(index)): there is no guide \(path)")
                }
            }
        }
    }

    private func page(at url: URL) -> SourceFile? {
        documents.first {
            SourceTree.root.appendingPathComponent($0.path).standardizedFileURL == url
        }
    }

    /// The headings of a page as the host of a repository makes anchors of them.
    private func anchors(of page: SourceFile) -> Set<String> {
        let headings = page.lines.compactMap { $0.wholeMatch(of: /#+ (.+)/)?.1 }
        return Set(
            headings.map { heading in
                let kept = heading.lowercased().filter {
                    $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" || $0 == "_"
                }
                return kept.replacing(" ", with: "-")
            })
    }

    private var documents: [SourceFile] {
        SourceTree.textFiles.filter { $0.path.hasSuffix(".md") }
    }

    /// The parts of a document that are code: fenced blocks and spans between backticks.
    private func codeLines(of file: SourceFile) -> [(Int, String)] {
        var isFenced = false
        return file.lines.enumerated().compactMap { index, line in
            if line.drop(while: { $0 == " " }).hasPrefix("```") {
                isFenced.toggle()
                return nil
            }
            if isFenced { return (index, String(line)) }
            let spans = line.split(separator: "`", omittingEmptySubsequences: false)
            let code = spans.indices.filter { $0 % 2 == 1 }.map { spans[$0] }
            return code.isEmpty ? nil : (index, code.joined(separator: " ; "))
        }
    }

    /// The line of the type that the file is named for, or else of its first declaration.
    private func mainDeclaration(of file: SourceFile) -> Int? {
        let name = file.path.split(separator: "/").last?.prefix { $0 != "." && $0 != "+" } ?? ""
        let declaration =
            /^(?:@\w+(?:\([^)]*\))?\s+|[a-z]+(?:\([a-z]+\))?\s+)*(?:struct|class|actor|enum|protocol|extension|func|typealias)\s+([\w.]+)/
        var first: Int?
        for (index, line) in file.code.enumerated() {
            guard let match = line.firstMatch(of: declaration) else { continue }
            if match.1 == name, !line.contains("extension ") { return index }
            if first == nil { first = index }
        }
        return first
    }

    /// Whether a comment is at the left margin above a line.
    private func hasHeader(_ file: SourceFile, above index: Int) -> Bool {
        file.lines[..<index].contains { $0.hasPrefix("//") }
    }

    /// Whether `///` is above the declaration, with only attributes between.
    private func isDocumented(_ file: SourceFile, at index: Int) -> Bool {
        var above = index - 1
        while above >= 0 {
            let line = file.lines[above].drop { $0 == " " }
            if line.hasPrefix("///") { return true }
            let isAttribute = line.hasPrefix("@") || line.hasPrefix(")") || line.hasPrefix("#if")
            guard isAttribute else { return false }
            above -= 1
        }
        return false
    }
}
