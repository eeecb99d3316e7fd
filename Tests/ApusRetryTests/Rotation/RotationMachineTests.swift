import ApusRetry
import Testing

/// Which choice is next, and how long each one is put aside.
@Suite struct RotationMachineTests {
    private let start = ContinuousClock.now

    private func machine(
        _ count: Int = 3, _ change: (inout RotationPolicy) -> Void = { _ in }
    ) -> RotationMachine {
        var policy = RotationPolicy()
        change(&policy)
        return RotationMachine(count: count, policy: policy)
    }

    @Test func requestsGoRoundTheChoices() {
        var machine = machine()
        let picks = (0..<5).map { _ in machine.nextChoice(except: [], now: start) }
        #expect(picks == [0, 1, 2, 0, 1].map { .healthy($0) })
    }

    @Test func theFirstHealthyChoiceIsUsedUntilItIsPutAside() {
        var machine = machine { $0.order = .firstHealthy }
        #expect(machine.nextChoice(except: [], now: start) == .healthy(0))
        #expect(machine.nextChoice(except: [], now: start) == .healthy(0))
        #expect(machine.answered(0, status: 429, retryAfter: .seconds(7), now: start) == .elsewhere)
        #expect(machine.nextChoice(except: [0], now: start) == .healthy(1))
        #expect(machine.nextChoice(except: [], now: start) == .healthy(1))
        let before = start.advanced(by: .milliseconds(6999))
        #expect(machine.nextChoice(except: [], now: before) == .healthy(1))
        #expect(
            machine.nextChoice(except: [], now: start.advanced(by: .seconds(7))) == .healthy(0))
    }

    /// The further tries of one request do not move the place where the next request begins.
    @Test func aRequestTriesEachChoiceOnce() {
        var machine = machine()
        #expect(machine.nextChoice(except: [], now: start) == .healthy(0))
        #expect(machine.nextChoice(except: [0], now: start) == .healthy(1))
        #expect(machine.nextChoice(except: [0, 1], now: start) == .healthy(2))
        #expect(machine.nextChoice(except: [0, 1, 2], now: start) == .none)
        #expect(machine.nextChoice(except: [], now: start) == .healthy(1))
    }

    @Test func whereAllArePutAsideTheSoonestIsNamed() {
        var machine = machine()
        for (index, seconds) in [30, 10, 20].enumerated() {
            _ = machine.answered(index, status: 529, retryAfter: .seconds(seconds), now: start)
        }
        #expect(
            machine.nextChoice(except: [], now: start)
                == .aside(1, until: start.advanced(by: .seconds(10))))
        #expect(
            machine.nextChoice(except: [1], now: start)
                == .aside(2, until: start.advanced(by: .seconds(20))))
    }

    @Test func aPauseWithoutRetryAfterDoublesUntilASuccess() {
        var machine = machine(1) {
            $0.pause = .seconds(1)
            $0.maxPause = .seconds(3)
        }
        var now = start
        for seconds in [1, 2, 3, 3] {
            machine.failed(0, now: now)
            let end = now.advanced(by: .seconds(seconds))
            #expect(machine.nextChoice(except: [], now: now) == .aside(0, until: end))
            now = end
        }
        #expect(machine.health[0].failures == 4)
        #expect(machine.answered(0, status: 204, retryAfter: nil, now: now) == .deliver)
        #expect(machine.health[0] == .init())
        machine.failed(0, now: now)
        #expect(
            machine.nextChoice(except: [], now: now)
                == .aside(0, until: now.advanced(by: .seconds(1))))
    }

    @Test(
        arguments: [
            (200, false, nil), (304, false, nil), (404, false, nil), (500, false, nil),
            (503, false, nil), (429, true, 1), (529, true, 1), (401, true, 300), (403, true, 300),
        ] as [(Int, Bool, Int?)])
    func theStatusDecides(status: Int, isElsewhere: Bool, seconds: Int?) {
        var machine = machine()
        #expect(
            machine.answered(1, status: status, retryAfter: nil, now: start)
                == (isElsewhere ? .elsewhere : .deliver))
        #expect(
            machine.health[1].asideUntil
                == seconds.map { start.advanced(by: .seconds($0)) })
    }

    @Test func retryAfterIsBounded() {
        var machine = machine()
        _ = machine.answered(0, status: 429, retryAfter: .seconds(3600), now: start)
        #expect(machine.health[0].asideUntil == start.advanced(by: .seconds(3600)))
        _ = machine.answered(1, status: 429, retryAfter: .seconds(Int64.max), now: start)
        #expect(machine.health[1].asideUntil == start.advanced(by: .seconds(3600)))
    }

    /// The answer of a request that began earlier does not end a longer pause.
    @Test func aLongerPauseIsKept() {
        var machine = machine()
        _ = machine.answered(0, status: 429, retryAfter: .seconds(60), now: start)
        _ = machine.answered(0, status: 429, retryAfter: .seconds(1), now: start)
        #expect(machine.health[0].asideUntil == start.advanced(by: .seconds(60)))
    }

    @Test func failuresAreCountedToAThousand() {
        var machine = machine(1)
        for _ in 0..<1001 { machine.failed(0, now: start) }
        #expect(machine.health[0].failures == 1000)
    }
}
