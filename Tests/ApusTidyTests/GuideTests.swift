import Testing

/// The guides say what is so: their code compiles, the names in it exist, and none is left out.
@Suite struct GuideTests {
    /// Guides whose code is word for word in `GuideExamples.swift` or in tests that run it.
    private static let names = [
        "Tuning", "ReadingASnapshot", "FromNetHTTP", "GettingThrough", "WhatApusRefuses",
        "WritingAGateway", "WritingALayer",
    ]
    private static let guides =
        names.compactMap { SourceFile(path: "Sources/Apus/Apus.docc/\($0).md") }
        + [SourceFile(path: "README.md")].compactMap(\.self) + layers
    /// The articles of the other products, each in the catalog of its target.
    private static let layers = SourceTree.textFiles.filter { file in
        file.path.hasPrefix("Sources/Apus") && file.path.contains(".docc/")
            && file.path.hasSuffix(".md") && !file.path.hasPrefix("Sources/Apus/")
    }
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

    /// Whatever an engine can be tuned by has a row of its own.
    @Test func everyNumberIsInTheTablesOfTheTuningGuide() throws {
        let numbers = properties(
            in: SourceTree.files(under: ["Sources/ApusCore"], endings: ["swift"])
                .filter { $0.path.contains("/EngineTuning") })
        // Fewer would mean that the sources were not understood.
        #expect(numbers.count >= 80)
        #expect(numbers.contains { $0.name == "http1.lenience.foldedFields" })
        try expectDocumented(numbers, by: "Tuning.md")
    }

    /// So has everything that a snapshot holds, and each counter.
    @Test func everyFieldIsInTheTablesOfTheSnapshotGuide() throws {
        let source = try #require(SourceFile(path: "Sources/ApusCore/Events/EngineSnapshot.swift"))
        let fields = properties(in: [source])
        #expect(fields.count >= 35)
        #expect(fields.contains { $0.name == "counters.closes" })
        try expectDocumented(fields, by: "ReadingASnapshot.md")
    }

    /// And each reason by which `closes` counts.
    @Test func everyReasonIsInTheTablesOfTheSnapshotGuide() throws {
        let source = try #require(SourceFile(path: "Sources/ApusCore/Events/CloseReason.swift"))
        var reasons: [(name: String, place: String)] = []
        for (index, line) in source.code.enumerated() where line.hasPrefix("    case ") {
            // No value of its own: `closes` has the case's name.
            #expect(!line.contains("="), "\(source.place(index)): what do the guides call it?")
            for match in line.matches(of: /(?:case|,) (\w+)/) {
                reasons.append((String(match.1), source.place(index)))
            }
        }
        #expect(reasons.count >= 20)
        try expectDocumented(reasons, by: "ReadingASnapshot.md")
    }

    /// Each metric, and each name in a log line or a span, is in the guide of ApusObservability.
    @Test func everyObservedNameIsInItsGuide() throws {
        let guide = try #require(
            SourceFile(
                path: "Sources/ApusObservability/ApusObservability.docc/ApusObservability.md"))
        let text = guide.lines.joined(separator: "\n")
        let names = /"((?:apus|error|http|network|server|tls|url)\.[a-z_.]+)"/
        var found: Set<Substring> = []
        for file in SourceTree.files(under: ["Sources/ApusObservability"], endings: ["swift"]) {
            for (index, line) in file.lines.enumerated() {
                for match in line.matches(of: names) {
                    found.insert(match.1)
                    if text.contains("`\(match.1)`") { continue }
                    Issue.record("\(file.place(index)): the guide does not name \(match.1)")
                }
            }
        }
        #expect(found.count >= 40)
    }

    /// Each name is in the first column of a table of the guide.
    private func expectDocumented(_ names: [(name: String, place: String)], by page: String) throws
    {
        let guide = try #require(SourceFile(path: "Sources/Apus/Apus.docc/\(page)"))
        let documented = firstColumns(of: guide)
        for (name, place) in names where !documented.contains(name) {
            Issue.record("\(place): \(page) does not document \(name)")
        }
    }

    /// The names between backticks in the first column of a guide's tables, whole: one that begins
    /// with a dot goes on where the one before it was.
    private func firstColumns(of guide: SourceFile) -> Set<String> {
        var names: Set<String> = []
        for line in guide.lines where line.hasPrefix("| `") {
            var way = ""
            for match in line.split(separator: "|")[0].matches(of: /`([a-zA-Z0-9.]+)`/) {
                let isRest = match.1.hasPrefix(".")
                let name = isRest ? way + String(match.1.dropFirst()) : String(match.1)
                names.insert(name)
                way = name.lastIndex(of: ".").map { String(name[...$0]) } ?? ""
            }
        }
        return names
    }

    /// A stored property: its type, the type that holds it, and its position.
    private struct Property {
        let owner: String
        let name: String
        let type: String
        let place: String
    }

    /// Whether a property can be read and set, and is kept as something else: a text as its bytes.
    private func isKeptElsewhere(_ index: Int, in file: SourceFile) -> Bool {
        index + 2 < file.code.count && file.code[index + 1].contains("get {")
            && file.code[index + 2].contains("set {")
    }

    /// The public stored properties of structs, by the way to them, as in `pool.maxIdle`.
    ///
    /// Where there is none, as in an array, they go by their type: `Override.host`.
    private func properties(in files: [SourceFile]) -> [(name: String, place: String)] {
        let opening = /^( *)(?:public )?struct (\w+)/
        let stored = /^( *)public (?:package\(set\) )?var (\w+)(?:: | = )(\w*)/
        var found: [Property] = []
        var outermost: Set<String> = []
        for file in files {
            // The struct that was opened last, by its indentation.
            var structs: [Int: String] = [:]
            for (index, line) in file.code.enumerated() {
                if let match = line.firstMatch(of: opening) {
                    let name = String(match.2)
                    structs[match.1.count] = name
                    if match.1.isEmpty { outermost.insert(name) }
                } else if let match = line.firstMatch(of: stored),
                    !line.contains("{") || isKeptElsewhere(index, in: file),
                    let owner = structs[match.1.count - 4]
                {
                    found.append(
                        Property(
                            owner: owner, name: String(match.2), type: String(match.3),
                            place: file.place(index)))
                }
            }
        }
        func way(to type: String) -> String {
            if let holder = found.first(where: { $0.type == type }) {
                return way(to: holder.owner) + holder.name + "."
            }
            return outermost.contains(type) ? "" : type + "."
        }
        return found.map { (way(to: $0.owner) + $0.name, $0.place) }
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
