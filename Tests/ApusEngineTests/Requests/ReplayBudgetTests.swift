import ApusCore
@testable import ApusEngine
import Testing

/// How often one request is sent again.
@Suite struct ReplayBudgetTests {
    private static func goAway(_ code: UInt32, last: Int32) -> TransportError.Kind {
        .h2GoAway(code: code, lastStreamID: last)
    }

    /// How many tries a budget gives for one error after another, up to a hundred.
    private func tries(
        limit: Int, _ kind: TransportError.Kind, _ replay: TransportError.Replay, isMove: Bool
    ) -> Int {
        var budget = ReplayBudget(limit: limit)
        let error = TransportError(kind, phase: .head, message: "lost", replay: replay)
        return (0..<100).prefix { _ in budget.take(for: error, isMove: isMove) }.count
    }

    @Test(
        "the limit counts replays, and moves have a limit of their own",
        arguments: [
            (.reset, .unknown, false, [0, 2]),
            (.reset, .notSent, false, [0, 2]),
            (.reset, .notSent, true, [16, 16]),
            (.h2Stream(code: 7), .refusedByPeer, false, [0, 2]),
            (goAway(0, last: 1), .refusedByPeer, false, [0, 16]),
            (goAway(0, last: 1), .notSent, false, [16, 16]),
            (goAway(0, last: 1), .unknown, false, [0, 2]),
            (goAway(11, last: 1), .refusedByPeer, false, [0, 2]),
        ] as [(TransportError.Kind, TransportError.Replay, Bool, [Int])])
    func limits(
        kind: TransportError.Kind, replay: TransportError.Replay, isMove: Bool, tries: [Int]
    ) {
        for (limit, expected) in zip([0, 2], tries) {
            #expect(self.tries(limit: limit, kind, replay, isMove: isMove) == expected)
        }
    }

    @Test func movesAndReplaysAreCountedApart() {
        var budget = ReplayBudget(limit: 1)
        let lost = TransportError(.reset, phase: .head, message: "lost", replay: .unknown)
        let moved = TransportError(.reset, phase: .send, message: "moved", replay: .notSent)
        let first = budget.take(for: lost, isMove: false)
        let moves = (0..<ReplayBudget.maxMoves).map { _ in budget.take(for: moved, isMove: true) }
        let further = [
            budget.take(for: moved, isMove: true), budget.take(for: lost, isMove: false),
        ]
        #expect(first)
        #expect(moves.allSatisfy { $0 })
        #expect(further == [false, false])
    }

    @Test("the third move in vain pauses, and each further pause is twice as long up to a bound")
    func pauses() {
        var tuning = EngineTuning.Pool()
        tuning.dialBackoff = .seconds(1)
        tuning.maxDialBackoff = .seconds(5)
        var budget = ReplayBudget(limit: 2)
        let error = TransportError(.reset, phase: .send, message: "moved", replay: .notSent)
        let pauses = (0..<7).map { _ in
            _ = budget.take(for: error, isMove: true)
            return budget.pause(tuning)
        }
        let seconds: [Int?] = [nil, nil, 1, 2, 4, 5, 5]
        #expect(pauses == seconds.map { $0.map { .seconds($0) } })
        tuning.dialBackoff = nil
        #expect(budget.pause(tuning) == nil)
    }

    /// Such a connection has served others, so the request has come nearer to its turn.
    @Test func aMoveFromAConnectionThatServedOthersIsNotInVain() {
        var budget = ReplayBudget(limit: 2)
        var tuning = EngineTuning.Pool()
        tuning.dialBackoff = .seconds(1)
        for (last, expected) in [(7, nil), (7, nil), (7, nil), (0, nil), (0, nil), (0, 1)]
            as [(Int32, Int?)]
        {
            let error = TransportError(
                Self.goAway(0, last: last), phase: .send, message: "moved", replay: .notSent)
            let isTaken = budget.take(for: error, isMove: false)
            #expect(isTaken)
            #expect(budget.pause(tuning) == expected.map { .seconds($0) })
        }
    }
}
