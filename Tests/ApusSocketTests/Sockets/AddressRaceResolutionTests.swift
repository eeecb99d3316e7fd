import ApusCore
import ApusSocket
import Testing

/// A race whose addresses are looked up while it runs (RFC 8305, section 3), on a clock that the
/// tests turn themselves.
@Suite(.timeLimit(.minutes(5))) struct AddressRaceResolutionTests {
    private let refused = SystemError(errno: 111, call: "connect")

    private func at(_ milliseconds: Int) -> Deadline {
        Deadline(nanoseconds: Int64(milliseconds) * 1_000_000)
    }

    private func addresses(_ literals: [String]) -> [SocketAddress] {
        literals.compactMap { SocketAddress(literal: $0, port: 80) }
    }

    private func connect(_ literal: String, _ attempt: Int) -> AddressRaceMachine.Step {
        guard let address = SocketAddress(literal: literal, port: 80) else { return .lost }
        return .connect(address, attempt: attempt)
    }

    private func machine() -> AddressRaceMachine {
        var times = AddressRaceMachine.Times(attemptDelay: .milliseconds(250), deadline: at(10_000))
        times.resolutionDelay = .milliseconds(50)
        times.resolveDeadline = at(5000)
        times.tcpTimeout = .milliseconds(3000)
        return AddressRaceMachine(awaiting: [.ipv4, .ipv6], times)
    }

    @Test func nothingStartsBeforeAnAnswer() {
        var race = machine()
        #expect(race.nextStep(now: at(0)) == .wait(until: at(5000)))
        #expect(!race.hasBegun)
    }

    @Test func ipv6StartsAtOnceAlthoughIPv4IsStillAwaited() {
        var race = machine()
        race.answered(.ipv6, addresses(["::1"]), now: at(10))
        #expect(race.nextStep(now: at(10)) == connect("::1", 0))
        #expect(race.nextStep(now: at(10)) == .wait(until: at(3010)))
        race.answered(.ipv4, addresses(["10.0.0.1"]), now: at(20))
        #expect(race.nextStep(now: at(20)) == .wait(until: at(260)))
        #expect(race.nextStep(now: at(260)) == connect("10.0.0.1", 1))
    }

    @Test func ipv4WaitsFiftyMillisecondsForIPv6() {
        var race = machine()
        race.answered(.ipv4, addresses(["10.0.0.1"]), now: at(10))
        #expect(race.nextStep(now: at(10)) == .wait(until: at(60)))
        #expect(race.nextStep(now: at(59)) == .wait(until: at(60)))
        #expect(race.nextStep(now: at(60)) == connect("10.0.0.1", 0))
        // IPv6 that comes late joins in, when its turn has come.
        race.answered(.ipv6, addresses(["::1"]), now: at(100))
        #expect(race.nextStep(now: at(100)) == .wait(until: at(310)))
        #expect(race.nextStep(now: at(310)) == connect("::1", 1))
    }

    @Test func ipv6WithinTheDelayGoesFirst() {
        var race = machine()
        race.answered(.ipv4, addresses(["10.0.0.1", "10.0.0.2"]), now: at(10))
        race.answered(.ipv6, addresses(["::1"]), now: at(40))
        #expect(race.nextStep(now: at(40)) == connect("::1", 0))
        race.failed(0, refused)
        #expect(race.nextStep(now: at(41)) == connect("10.0.0.1", 1))
        race.failed(1, refused)
        #expect(race.nextStep(now: at(42)) == connect("10.0.0.2", 2))
    }

    @Test(arguments: [true, false])
    func anEmptyIPv6AnswerEndsTheDelay(cameFirst: Bool) {
        var race = machine()
        if cameFirst { race.answered(.ipv6, [], now: at(5)) }
        race.answered(.ipv4, addresses(["10.0.0.1"]), now: at(10))
        if !cameFirst { race.answered(.ipv6, [], now: at(20)) }
        #expect(race.nextStep(now: at(20)) == connect("10.0.0.1", 0))
    }

    @Test func whenAllHaveFailedTheOtherFamilyIsStillAwaited() {
        var race = machine()
        race.answered(.ipv6, addresses(["::1"]), now: at(0))
        _ = race.nextStep(now: at(0))
        race.failed(0, refused)
        #expect(race.nextStep(now: at(1)) == .wait(until: at(3000)))
        race.answered(.ipv4, addresses(["10.0.0.1"]), now: at(2000))
        #expect(race.nextStep(now: at(2000)) == connect("10.0.0.1", 1))
        race.connected(1)
        #expect(race.nextStep(now: at(2001)) == .won(attempt: 1))
    }

    @Test func noAddressOfEitherFamilyIsALoss() {
        var race = machine()
        race.answered(.ipv4, [], now: at(1))
        #expect(race.nextStep(now: at(1)) == .wait(until: at(5000)))
        race.answered(.ipv6, [], now: at(2))
        #expect(race.nextStep(now: at(2)) == .lost)
        #expect(!race.hasBegun && race.attempts.isEmpty)
    }

    @Test func namesThatDoNotComeCostTheirBudget() {
        var race = machine()
        race.answered(.ipv4, [], now: at(1))
        #expect(race.nextStep(now: at(4999)) == .wait(until: at(5000)))
        #expect(race.nextStep(now: at(5000)) == .timedOut)
        #expect(!race.hasBegun)
    }

    @Test func afterTheResolversBudgetTheAttemptsDecide() {
        var times = AddressRaceMachine.Times(attemptDelay: .milliseconds(250), deadline: nil)
        times.resolutionDelay = .milliseconds(50)
        times.resolveDeadline = at(1000)
        var race = AddressRaceMachine(awaiting: [.ipv4, .ipv6], times)
        race.answered(.ipv4, addresses(["10.0.0.1"]), now: at(900))
        _ = race.nextStep(now: at(950))
        race.failed(0, refused)
        #expect(race.nextStep(now: at(999)) == .wait(until: at(1000)))
        #expect(race.nextStep(now: at(1000)) == .lost)
        #expect(race.lastError == refused)
        // What comes after the end is not heard.
        race.answered(.ipv6, addresses(["::1"]), now: at(1001))
        #expect(race.nextStep(now: at(1001)) == .lost)
    }

    @Test func theTCPBudgetCountsFromTheFirstAttempt() {
        var race = machine()
        race.answered(.ipv6, addresses(["::1"]), now: at(4000))
        #expect(race.nextStep(now: at(4000)) == connect("::1", 0))
        race.answered(.ipv4, [], now: at(4001))
        #expect(race.nextStep(now: at(4001)) == .wait(until: at(7000)))
        #expect(race.nextStep(now: at(7000)) == .timedOut)
        #expect(race.hasBegun)
    }

    @Test func anAnswerCountsOnceAndOnlyWhenItWasAwaited() {
        var race = machine()
        race.answered(.ipv6, addresses(["::1"]), now: at(0))
        race.answered(.ipv6, addresses(["::2"]), now: at(0))
        race.answered(.unix, addresses(["10.0.0.9"]), now: at(0))
        #expect(race.addresses == addresses(["::1"]))
    }

    /// Whatever comes in whatever order, the race ends and tries each address once at most.
    @Test(arguments: 0..<256)
    func everyOrderEnds(bits: Int) {
        var race = machine()
        var tried: [SocketAddress] = []
        for step in 0..<120 {
            let now = at(step * 100)
            if step == bits & 7 {
                race.answered(.ipv4, addresses(["10.0.0.1", "10.0.0.2"]), now: now)
            }
            if step == bits >> 3 & 7 { race.answered(.ipv6, addresses(["::1"]), now: now) }
            switch race.nextStep(now: now) {
            case .connect(let address, let attempt):
                #expect(!tried.contains(address))
                tried.append(address)
                if bits >> 6 & 1 == 1 { race.failed(attempt, refused) }
                if bits >> 7 & 1 == 1, attempt == 2 { race.connected(attempt) }
            case .wait: continue
            case .won, .lost, .timedOut: return
            }
        }
        Issue.record("the race never ended")
    }
}
