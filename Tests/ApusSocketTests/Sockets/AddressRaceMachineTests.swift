import ApusCore
import ApusSocket
import Testing

/// Which address is tried when (RFC 8305), on a clock that the tests turn themselves.
@Suite(.timeLimit(.minutes(5))) struct AddressRaceMachineTests {
    private let refused = SystemError(errno: 111, call: "connect")

    @Test(arguments: [
        ([String](), [String]()), (["10.0.0.1"], ["10.0.0.1"]),
        (["::1", "::2", "10.0.0.1", "10.0.0.2"], ["::1", "10.0.0.1", "::2", "10.0.0.2"]),
        (["10.0.0.1", "::1", "::2", "::3"], ["10.0.0.1", "::1", "::2", "::3"]),
        (["10.0.0.1", "10.0.0.2", "::1"], ["10.0.0.1", "::1", "10.0.0.2"]),
    ])
    func familiesAlternateFromTheFirst(given: [String], expected: [String]) {
        var race = machine(given)
        var order: [SocketAddress] = []
        while case .connect(let address, let attempt) = race.nextStep(now: at(0)) {
            order.append(address)
            race.failed(attempt, refused)
        }
        #expect(order == addresses(expected))
    }

    @Test func eachAttemptHasAHeadStartOf250Milliseconds() {
        var race = machine(["::1", "10.0.0.1", "10.0.0.2"])
        #expect(race.nextStep(now: at(0)) == connect("::1", 0))
        #expect(race.nextStep(now: at(0)) == .wait(until: at(250)))
        #expect(race.nextStep(now: at(249)) == .wait(until: at(250)))
        #expect(race.nextStep(now: at(250)) == connect("10.0.0.1", 1))
        #expect(race.nextStep(now: at(260)) == .wait(until: at(500)))
        #expect(race.nextStep(now: at(700)) == connect("10.0.0.2", 2))
        // No attempt is left to start: only the deadline bounds the wait.
        #expect(race.nextStep(now: at(700)) == .wait(until: at(5000)))
    }

    @Test func aFailureStartsTheNextAtOnce() {
        var race = machine(["10.0.0.1", "10.0.0.2", "10.0.0.3"])
        #expect(race.nextStep(now: at(0)) == connect("10.0.0.1", 0))
        race.failed(0, refused)
        #expect(race.nextStep(now: at(1)) == connect("10.0.0.2", 1))
        #expect(race.nextStep(now: at(1)) == .wait(until: at(251)))
    }

    @Test func anEarlierAttemptContinuesAndMayWin() {
        var race = machine(["10.0.0.1", "10.0.0.2"])
        _ = race.nextStep(now: at(0))
        #expect(race.nextStep(now: at(250)) == connect("10.0.0.2", 1))
        race.connected(0)
        #expect(race.nextStep(now: at(300)) == .won(attempt: 0))
        #expect(race.attempts.map(\.outcome) == ["connected", "was slower"])
        race.connected(1)
        race.failed(1, refused)
        #expect(race.nextStep(now: at(9000)) == .won(attempt: 0))
    }

    @Test func everyAddressRefusingIsALoss() {
        var race = machine(["10.0.0.1", "::1"])
        _ = race.nextStep(now: at(0))
        race.failed(0, refused)
        _ = race.nextStep(now: at(1))
        let unreachable = SystemError(errno: 101, call: "connect")
        race.failed(1, unreachable)
        #expect(race.nextStep(now: at(2)) == .lost)
        #expect(race.lastError == unreachable)
        #expect(race.attempts.map(\.address) == ["10.0.0.1:80", "[::1]:80"])
        #expect(race.attempts.map(\.outcome) == [refused.description, unreachable.description])
    }

    @Test func noAddressIsALossAtOnce() {
        var race = machine([])
        #expect(race.nextStep(now: at(0)) == .lost)
        #expect(race.lastError == nil)
        #expect(race.attempts == [])
    }

    @Test func timeRunsOutForAllOfThem() {
        var race = machine(["10.0.0.1", "10.0.0.2", "10.0.0.3"], until: 300)
        _ = race.nextStep(now: at(0))
        race.failed(0, refused)
        _ = race.nextStep(now: at(0))
        #expect(race.nextStep(now: at(299)) == connect("10.0.0.3", 2))
        #expect(race.nextStep(now: at(299)) == .wait(until: at(300)))
        #expect(race.nextStep(now: at(300)) == .timedOut)
        #expect(
            race.attempts.map(\.outcome) == [
                refused.description, "no answer in time", "no answer in time",
            ])
    }

    @Test func theDeadlineComesBeforeTheNextStart() {
        var race = machine(["10.0.0.1", "10.0.0.2"], until: 100)
        _ = race.nextStep(now: at(0))
        #expect(race.nextStep(now: at(0)) == .wait(until: at(100)))
        #expect(race.nextStep(now: at(250)) == .timedOut)
        #expect(race.attempts.map(\.address) == ["10.0.0.1:80"])
    }

    @Test func aResultInTimeCountsEvenIfItIsReportedLate() {
        var race = machine(["10.0.0.1"], until: 100)
        _ = race.nextStep(now: at(0))
        race.connected(0)
        #expect(race.nextStep(now: at(101)) == .won(attempt: 0))
    }

    @Test func withoutADeadlineTheLastOneWaitsForEver() {
        var race = AddressRaceMachine(
            addresses(["10.0.0.1"]), attemptDelay: .milliseconds(250), deadline: nil)
        _ = race.nextStep(now: at(0))
        #expect(race.nextStep(now: at(1_000_000)) == .wait(until: nil))
    }

    /// Whatever the attempts do, each address is tried once at most and the race ends.
    @Test(arguments: 0..<64)
    func everyOrderOfEndingEndsTheRace(bits: Int) {
        var race = machine(["10.0.0.1", "::1", "10.0.0.2"], until: 2000)
        var started: [Int] = []
        for step in 0..<20 {
            switch race.nextStep(now: at(step * 130)) {
            case .connect(_, let attempt): started.append(attempt)
            case .wait:
                guard bits >> (step % 6) & 1 == 1, let last = started.last else { continue }
                if step % 3 == 0 { race.connected(last) } else { race.failed(last, refused) }
            case .won(let attempt):
                #expect(started.contains(attempt))
                #expect(race.attempts[attempt].outcome == "connected")
            case .lost: #expect(race.attempts.allSatisfy { $0.outcome == refused.description })
            case .timedOut: #expect(step * 130 >= 2000)
            }
        }
        #expect(started == Array(0..<started.count))
        switch race.nextStep(now: at(3000)) {
        case .won, .lost, .timedOut: break
        case .connect, .wait: Issue.record("the race goes on")
        }
    }

    private func machine(_ literals: [String], until: Int = 5000) -> AddressRaceMachine {
        AddressRaceMachine(
            addresses(literals), attemptDelay: .milliseconds(250), deadline: at(until))
    }

    private func addresses(_ literals: [String]) -> [SocketAddress] {
        literals.compactMap { SocketAddress(literal: $0, port: 80) }
    }

    private func connect(_ literal: String, _ attempt: Int) -> AddressRaceMachine.Step? {
        SocketAddress(literal: literal, port: 80).map { .connect($0, attempt: attempt) }
    }

    private func at(_ milliseconds: Int) -> Deadline {
        Deadline(nanoseconds: Int64(milliseconds) * 1_000_000)
    }
}
