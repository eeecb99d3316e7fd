import Testing

/// The pool's decisions are readable in one sitting, and no ordinary step goes through all of it.
@Suite struct PoolCodeTests {
    /// Where it is decided who gets which connection, what is dialled and what is closed.
    ///
    /// The rest of the target does bookkeeping (slots, lists, the heap, the table of waiters),
    /// holds numbers (limits, counters), reports (snapshots), or is a machine of its own
    /// (`IdleMemory`).
    private static let decisions = [
        "Machine/PoolMachine", "Machine/PoolMachine+Connections", "Machine/PoolMachine+Waiters",
        "Machine/PoolMachine+Whole", "Machine/PoolMachine+Backoff",
        "Machine/PoolMachine+Spreading", "Connections/RouteState", "Waiters/WaiterQueue",
    ].map { "Sources/ApusPool/\($0).swift" }

    /// Lines of decision: neither blank nor a comment, no import, stored property or closing
    /// bracket.
    private static let maxDecisionLines = 450

    @Test func theDecisionsAreAFewHundredLines() throws {
        var count = 0
        for path in Self.decisions {
            let file = try #require(SourceFile(path: path))
            count += file.code.count { line in
                let text = line.filter { $0 != " " }
                let stored = /^    (package |internal\(set\) )*(let|var|static let) [^{]*$/
                if line.firstMatch(of: stored) != nil { return false }
                return !text.isEmpty && !text.hasPrefix("import")
                    && !text.hasPrefix("packageimport")
                    && !text.allSatisfy { "})],".contains($0) }
            }
        }
        #expect(count > 300, "the files are there")
        #expect(count <= Self.maxDecisionLines)
    }

    /// Shutting down, draining by route and telling all there is touch everything by their nature.
    @Test func onlyWholeStepsGoThroughTheWholePool() {
        let pattern =
            /\b(slots|routes|waiters|vacantSlots|vacantRoutes)\.(indices|all|enumerated|compactMap|map|filter|first\b|contains|count\(|reduce|sorted)|\bin (slots|routes)\b/
        let mayScan = ["+Whole", "+Snapshot", "WaiterTable"]
        var scans = 0
        for file in SourceTree.files(under: ["Sources/ApusPool"], endings: ["swift"]) {
            let isWhole = mayScan.contains { file.path.contains($0) }
            for (index, line) in file.code.enumerated() where line.firstMatch(of: pattern) != nil {
                scans += 1
                guard !isWhole else { continue }
                Issue.record("\(file.place(index)): goes through the whole pool")
            }
        }
        #expect(scans > 3, "the pattern finds those that are there")
    }
}
