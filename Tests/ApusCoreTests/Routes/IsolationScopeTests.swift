import ApusCore
import Testing

/// A scope keeps a digest of its name, and nothing else of it.
@Suite struct IsolationScopeTests {
    @Test func equalNamesAreOneScope() {
        #expect(IsolationScope("tenant") == "tenant")
        #expect(IsolationScope("tenant").digest == IsolationScope("tenant").digest)
        #expect(IsolationScope("tenant").hashValue == IsolationScope("tenant").hashValue)
    }

    @Test func nearNamesAreScopesOfTheirOwn() {
        let names = (0..<2000).map { "tenant-\($0)" } + ["", " ", "a", "A", "tenant", "tenant "]
        #expect(Set(names.map { IsolationScope($0) }).count == names.count)
        #expect(Set(names.map { IsolationScope($0).digest }).count == names.count)
    }

    @Test(arguments: ["", "x", "hunter2", "a-very-long-name-of-a-credential-0123456789", "ü"])
    func theDigestIsEightDigitsAndHidesTheName(name: String) {
        let scope = IsolationScope(name)
        #expect(scope.digest.utf8.count == 8)
        #expect(scope.digest.allSatisfy { $0.isHexDigit && !$0.isUppercase })
        #expect(scope.description == "scope-\(scope.digest)")
        guard name.utf8.count > 1 else { return }
        var dumped = ""
        dump(scope, to: &dumped)
        for text in ["\(scope)", String(reflecting: scope), scope.digest, dumped] {
            #expect(!text.contains(name))
        }
    }

    /// Pinned, so that logs of two releases can be laid side by side.
    @Test func theDigestIsTheSameInEveryProcess() {
        #expect(IsolationScope("tenant").digest == "e9da86d3")
        #expect(IsolationScope("").digest == "e3b0c442")
    }
}
