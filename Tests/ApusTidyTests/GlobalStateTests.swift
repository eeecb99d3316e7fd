import Testing

/// The first promise: nothing is global, nothing reads the environment.
@Suite struct GlobalStateTests {
    /// What the engine is made of: everything shipped but the tool.
    private static let engine = SourceTree.files(
        under: ["Sources"], endings: ["swift", "c", "h"]
    ).filter { !$0.path.hasPrefix("Sources/apus-tool/") }

    @Test func noTypeHoldsAMutableStatic() throws {
        try expectNone(
            of: /\b(static|class)\s+(nonisolated\(unsafe\)\s+)?var\b/, "is a mutable static")
    }

    @Test func noVariableIsAtTopLevel() throws {
        let pattern =
            /^((public|package|internal|private|fileprivate|nonisolated\(unsafe\))\s+)*var\s/
        try expectNone(of: pattern, "is a global variable")
    }

    @Test func nothingIsShared() throws {
        try expectNone(
            of: /\b[A-Z]\w*\.shared\b|\bstatic let shared\b/, "is a process-wide singleton")
    }

    @Test func nothingReadsTheEnvironment() throws {
        let pattern = /\b(secure_getenv|getenv|setenv|putenv|environ|ProcessInfo|CommandLine)\b/
        try expectNone(of: pattern, "reads the environment")
    }

    /// C cannot hide a static either: a function-local or file-level one that is not constant.
    @Test func noCFileHoldsState() {
        let pattern = /^\s*static\s+(?!inline\b)(?!const\b)[^()]*[;=]/
        for file in Self.engine where !file.path.hasSuffix(".swift") {
            for (index, line) in file.code.enumerated() where line.firstMatch(of: pattern) != nil {
                Issue.record("\(file.place(index)): a static variable in C")
            }
        }
    }

    private func expectNone(of pattern: some RegexComponent, _ fault: String) throws {
        #expect(!Self.engine.isEmpty)
        for file in Self.engine {
            for (index, line) in file.code.enumerated() where line.firstMatch(of: pattern) != nil {
                Issue.record("\(file.place(index)): \(fault): \(file.lines[index])")
            }
        }
    }
}
