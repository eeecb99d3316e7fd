import ApusSocket
import Testing

/// Of several answers the first counts.
@Suite(.timeLimit(.minutes(5))) struct FirstAnswerTests {
    @Test func anAnswerGivenBeforehandIsReturnedAtOnce() async {
        let answer = FirstAnswer<Int>()
        #expect(!answer.isGiven)
        answer.give(1)
        answer.give(2)
        #expect(answer.isGiven)
        #expect(await answer.wait() == 1)
    }

    @Test func anAnswerWakesItsWaiter() async {
        let answer = FirstAnswer<Int>()
        async let value = answer.wait()
        let givers = (0..<8).map { _ in Task.detached { answer.give(7) } }
        #expect(await value == 7)
        for giver in givers { await giver.value }
        #expect(answer.isGiven)
    }
}
