import ApusConnection
import ApusCore
import Testing

/// The longest silence, and what came at the very end: incident E7.
@Suite(.timeLimit(.minutes(5))) struct DeliveryFiguresTests {
    private func at(_ seconds: Double) -> Deadline {
        Deadline(nanoseconds: Int64(seconds * 1_000_000_000))
    }

    /// The figures of pieces of ten bytes at these times, taken at once.
    private func figures(_ seconds: some Sequence<Double>) -> DeliveryFigures {
        var figures = DeliveryFigures(start: at(0))
        for second in seconds {
            figures.received(10, isAwaited: true, now: at(second))
            figures.awaited(now: at(second))
        }
        return figures
    }

    @Test func aSteadyStreamHasATwentiethToATenthAtItsEnd() {
        for count in [100, 1000, 10_000] {
            let figures = figures((1...count).map { Double($0) / 10 })
            let atEnd = Int(figures.bytesAtEnd(at(Double(count) / 10)))
            #expect(atEnd >= count * 10 / 20 - 20 && atEnd <= count * 10 / 10 + 20, "\(atEnd)")
        }
    }

    @Test("E7: a stream that is held back comes whole at the end")
    func aStreamThatWasHeldBack() {
        let figures = figures((0..<50).map { 100 + Double($0) / 1000 })
        #expect(figures.bytesAtEnd(at(100.06)) == 500)
        // Beside one piece in time.
        let begun = self.figures([1] + (0..<49).map { 100 + Double($0) / 1000 })
        #expect(begun.bytesAtEnd(at(100.06)) == 490)
    }

    @Test func aStreamThatEndsInSilenceHasNothingAtItsEnd() {
        let figures = figures((1...10).map { Double($0) })
        #expect(figures.bytesAtEnd(at(100)) == 0)
        let close = self.figures([100, 101, 102, 103])
        #expect(close.bytesAtEnd(at(200)) == 0)
    }

    @Test func oneShortAnswerComesAtItsEnd() {
        #expect(figures([2]).bytesAtEnd(at(2)) == 10)
        #expect(figures([]).bytesAtEnd(at(2)) == 0)
    }

    @Test func theLongestSilenceIsBetweenTwoPieces() {
        #expect(figures([]).longestSilence == .zero)
        #expect(figures([30]).longestSilence == .zero)
        #expect(figures([30, 31, 35, 36]).longestSilence == .seconds(4))
    }

    @Test func aSlowConsumerIsNoSilence() {
        var figures = DeliveryFigures(start: at(0))
        figures.received(10, isAwaited: true, now: at(1))
        // It has not taken the first when the second comes.
        figures.received(10, isAwaited: false, now: at(50))
        figures.awaited(now: at(90))
        figures.received(10, isAwaited: true, now: at(92))
        #expect(figures.longestSilence == .seconds(2))
        #expect(figures.lastSign == at(92))
    }
}
