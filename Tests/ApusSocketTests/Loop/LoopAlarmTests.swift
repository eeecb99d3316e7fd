import ApusCore
import ApusSocket
import LoopFixtures
import Testing

@Suite(.timeLimit(.minutes(5))) struct LoopAlarmTests {
    @Test func itIsSetByItsInstantAndByLaterOnes() async throws {
        try await withLoop { loop in
            await loop.run {
                let now = Deadline.now()
                var alarm = LoopAlarm()
                #expect(!alarm.isSet(by: now))
                alarm.set(at: now.advanced(by: .seconds(60)), on: loop) {}
                #expect(!alarm.isSet(by: now.advanced(by: .seconds(59))))
                #expect(alarm.isSet(by: now.advanced(by: .seconds(60))))
                #expect(alarm.isSet(by: now.advanced(by: .seconds(61))))
                alarm.cancel(on: loop)
            }
        }
    }

    @Test func itHasOneTimerHoweverOftenItIsSet() async throws {
        try await withLoop { loop in
            await loop.run {
                let now = Deadline.now()
                let before = loop.timerCount
                var alarm = LoopAlarm()
                for seconds in (30...60).reversed() {
                    alarm.set(at: now.advanced(by: .seconds(seconds)), on: loop) {}
                }
                #expect(loop.timerCount == before + 1)
                alarm.cancel(on: loop)
                #expect(loop.timerCount == before)
                #expect(!alarm.isSet(by: now.advanced(by: .seconds(60))))
            }
        }
    }

    @Test func itsOwnerHearsOnceOfTheLastInstant() async throws {
        try await withLoop { loop in
            let fired = await withCheckedContinuation { continuation in
                loop.execute {
                    var alarm = LoopAlarm()
                    alarm.set(at: Deadline.now().advanced(by: .seconds(600)), on: loop) {
                        continuation.resume(returning: "the first")
                    }
                    alarm.set(at: .now(), on: loop) {
                        continuation.resume(returning: "the second")
                    }
                    alarm.hasFired()
                    #expect(!alarm.isSet(by: Deadline.now().advanced(by: .seconds(600))))
                }
            }
            #expect(fired == "the second")
        }
    }
}
