import Testing

/// The parser that the other tidy tests use.
@Suite struct SwiftCodeTests {
    private func stripped(_ text: String) -> [String] {
        SourceFile(path: "x.swift", text: text).code
    }

    @Test(arguments: [
        ("let a = 1 // static var b", "let a = 1"),
        ("let a = /* getenv /* nested */ still */ 2", "let a =  2"),
        ("let a = \"static var\"", "let a = \"\""),
        ("let a = \"quote \\\" environ\" + b", "let a = \" + b"),
        ("let a = \"\\(f(\"x\")) environ\" + c", "let a = \" + c"),
        ("let a = #\"raw \" environ\"# + d", "let a = \" + d"),
    ])
    func commentsAndLiteralsAreBlanked(line: String, expected: String) {
        let code = stripped(line)[0]
        #expect(code.count == line.count)
        #expect(
            code.filter { $0 != " " }.replacing("\"", with: "")
                == expected.filter { $0 != " " }.replacing("\"", with: ""))
    }

    @Test func aMultilineLiteralIsBlankedToItsEnd() {
        let code = stripped("let a = \"\"\"\n  func b() {\n  \"\"\"\nlet c = 1")
        #expect(code[1].allSatisfy { $0 == " " })
        #expect(code[3] == "let c = 1")
    }

    @Test func aFunctionRunsFromItsNameToItsBrace() {
        let code = stripped(
            """
            package mutating func a(
                b: () -> Void = {}
            ) {
                if b { c() }
            }
            """)
        #expect(SwiftCode.functions(in: code) == [0...4])
    }

    @Test func aRequirementHasNoBody() {
        let code = stripped("protocol P {\n    func a() -> Int\n    init(b: Int)\n}\nfunc c() {\n}")
        #expect(SwiftCode.functions(in: code) == [4...5])
    }

    @Test(arguments: [
        "    self.init(a: 1)", "    return init(a)", "case initial(a)", "let subscripts = 1",
        "super.init()",
    ])
    func callsAreNoFunctions(line: String) {
        #expect(!SwiftCode.isFunctionStart(line))
    }

    @Test(arguments: [
        "func a() {", "    public init?(a: Int) {", "    deinit {", "    @inlinable public func a(",
        "    nonisolated(nonsending) func a() async {", "    @available(*, noasync) func b() {",
        "    subscript(position: Int) -> UInt8 {",
    ])
    func declarationsAreFunctions(line: String) {
        #expect(SwiftCode.isFunctionStart(line))
    }
}
