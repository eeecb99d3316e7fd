import ApusConnection
import ApusCore
import Testing

/// Which cuts show how long a way lets a busy connection be silent.
@Suite struct SilenceMemoryTests {
    private func at(_ seconds: Double) -> Deadline {
        Deadline(nanoseconds: 1_000_000_000_000).advanced(by: .seconds(seconds))
    }

    /// A cut: after this silence, at this second; what the memory says of it.
    private typealias Cut = (after: Double, at: Double, limit: Double?, count: Int)

    private func play(
        _ cuts: [Cut], _ location: SourceLocation = #_sourceLocation
    ) -> SilenceMemory {
        var memory = SilenceMemory()
        for cut in cuts {
            let limit = memory.wasCut(after: .seconds(cut.after), now: at(cut.at))
            #expect(
                limit?.silence == cut.limit.map { .seconds($0) }, "\(cut)",
                sourceLocation: location)
            #expect(limit?.count ?? 0 == cut.count, "\(cut)", sourceLocation: location)
        }
        return memory
    }

    @Test func twoCutsAfterAboutTheSameSilenceSetTheLimit() {
        let memory = play([(120, 120, nil, 0), (121, 300, 120, 2), (119, 500, 120, 3)])
        #expect(memory.limit(now: at(501))?.count == 3)
        // The shorter of the first two, which no later one moves.
        _ = play([(121, 121, nil, 0), (118, 300, 118, 2), (110, 500, 118, 3), (101, 700, nil, 0)])
    }

    @Test(arguments: [
        // Two silences, and whether they are one limit: a tenth, or a second and a quarter.
        (120.0, 131.0, true), (120, 135, false), (10, 11, true), (9, 11, false), (4, 4.9, true),
        (4, 5.1, false), (2, 2.6, true), (2, 2.8, false), (1, 1.3, true), (1, 1.5, false),
    ])
    func howMuchSilencesMayDiffer(first: Double, second: Double, isOne: Bool) {
        for (first, second) in [(first, second), (second, first)] {
            let limit = isOne ? min(first, second) : nil
            _ = play([(first, 1000, nil, 0), (second, 2000, limit, isOne ? 2 : 0)])
        }
    }

    @Test func silencesBelowASecondShowNothing() {
        _ = play([(0.9, 10, nil, 0), (0.9, 20, nil, 0), (0, 30, nil, 0), (0, 40, nil, 0)])
    }

    @Test func whatEndsSeveralConnectionsAtOnceIsOneCut() {
        let memory = play([(60, 100, nil, 0), (60, 100, nil, 0), (59.5, 101, nil, 0)])
        #expect(memory.limit(now: at(102)) == nil)
        // Once the limit is known, such cuts are explained by it, and not counted.
        _ = play([(60, 100, nil, 0), (60, 200, 60, 2), (60, 200, 60, 2), (60, 261, 60, 3)])
    }

    @Test func aFarShorterSilenceShowsNothingUnlessItIsMetTwice() {
        let memory = play([
            (120, 120, nil, 0), (120, 300, 120, 2), (30, 400, nil, 0), (120, 600, 120, 3),
            (30, 700, nil, 0), (30, 800, 30, 2),
        ])
        #expect(memory.limit(now: at(801))?.silence == .seconds(30))
    }

    @Test func aFarLongerSilenceShowsThatThereIsNoSuchLimit() {
        let memory = play([(60, 100, nil, 0), (60, 200, 60, 2), (90, 300, nil, 0)])
        #expect(memory.limit(now: at(301)) == nil)
        _ = play([
            (60, 100, nil, 0), (90, 200, nil, 0), (60, 300, nil, 0), (90, 400, nil, 0),
        ])
    }

    @Test func cutsCountForSixHours() {
        let hours = 3600.0
        _ = play([(60, 0, nil, 0), (60, 6 * hours, nil, 0), (60, 7 * hours, 60, 2)])
        let memory = play([(60, 0, nil, 0), (60, 100, 60, 2), (30, 5 * hours, nil, 0)])
        #expect(memory.limit(now: at(100 + 6 * hours - 1))?.count == 2)
        #expect(memory.limit(now: at(100 + 6 * hours)) == nil)
        _ = play([(60, 0, nil, 0), (60, 100, 60, 2), (60, 100 + 6 * hours, nil, 0)])
    }

    @Test func whatOutlivesTheLimitForgetsItAndACandidate() {
        var memory = play([(60, 100, nil, 0), (60, 200, 60, 2)])
        memory.outlived(.seconds(65))
        #expect(memory.limit(now: at(201)) != nil)
        memory.outlived(.seconds(70))
        #expect(memory.limit(now: at(201)) == nil)
        var candidate = play([(60, 100, nil, 0)])
        candidate.outlived(.seconds(70))
        #expect(candidate.wasCut(after: .seconds(60), now: at(200)) == nil)
    }
}
