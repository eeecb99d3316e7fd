import ApusConnection
import Testing

/// The bytes that all windows of an engine may grow by: never more are out than there are.
@Suite(.timeLimit(.minutes(5))) struct EngineWindowBudgetTests {
    @Test func whatIsLeftIsAllThatIsGiven() {
        let budget = EngineWindowBudget(100)
        #expect(budget.take(upTo: 60) == 60)
        #expect(budget.take(upTo: 60) == 40)
        #expect(budget.take(upTo: 60) == 0)
        budget.giveBack(30)
        #expect(budget.available == 30)
        #expect(budget.take(upTo: 20) == 20)
        #expect(budget.available == 10)
    }

    @Test func manyAtOnceTakeNoMoreThanThereIs() async {
        let budget = EngineWindowBudget(1_000)
        let most = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var most = 0
                    for _ in 0..<2_000 {
                        let taken = budget.take(upTo: 300)
                        most = max(most, taken + budget.available)
                        budget.giveBack(taken)
                    }
                    return most
                }
            }
            return await group.reduce(0, max)
        }
        #expect(most <= 1_000)
        #expect(budget.available == 1_000)
    }
}
