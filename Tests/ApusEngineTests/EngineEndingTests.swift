import ApusCore
@testable import ApusEngine
import Testing

/// The end of an engine: begun once, over once.
@Suite(.timeLimit(.minutes(5))) struct EngineEndingTests {
    @Test func anEndIsBegunOnce() {
        let ending = EngineEnding()
        #expect(ending.begin())
        #expect(!ending.begin())
        #expect(ending.finish().isEmpty)
        #expect(!ending.begin())
    }

    @Test func onlyAnEarlierCutIsMade() {
        let ending = EngineEnding()
        #expect(ending.begin())
        #expect(ending.bringForward(to: at(5)))
        #expect(!ending.bringForward(to: at(5)))
        #expect(!ending.bringForward(to: at(6)))
        #expect(ending.bringForward(to: at(4)))
        _ = ending.finish()
        #expect(!ending.bringForward(to: at(3)))
    }

    @Test func theFirstCutIsReported() {
        let ending = EngineEnding()
        #expect(ending.begin())
        ending.wasCut(["one", "two"])
        ending.wasCut(["three"])
        #expect(ending.finish() == ["one", "two"])
        #expect(ending.finish().isEmpty)
    }

    @Test func aCutThatNoEndWasBegunForIsNotReported() {
        let ending = EngineEnding()
        ending.wasCut(["one"])
        #expect(ending.finish().isEmpty)
    }

    @Test func everyCallerOfTheSameEndIsResumed() async {
        let ending = EngineEnding()
        #expect(ending.begin())
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { await ending.wait() } }
            group.addTask { _ = ending.finish() }
        }
        await ending.wait()
    }
}
