import ApusEvents
import Testing

/// How long a client waits before it opens a stream again, and when it gives up.
@Suite struct ReconnectionPolicyTests {
    private func machine(
        initial: Duration = .seconds(1), max: Duration = .seconds(10), jitter: Double = 0,
        failures: Int = 3
    ) -> ReconnectionMachine {
        var policy = ReconnectionPolicy()
        policy.initialTime = initial
        policy.maxTime = max
        policy.jitter = jitter
        policy.maxFailures = failures
        return ReconnectionMachine(policy)
    }

    @Test func theDefaultsAreDocumented() {
        let policy = ReconnectionPolicy()
        #expect(policy.initialTime == .seconds(3))
        #expect(policy.maxTime == .seconds(60))
        #expect(policy.jitter == 0.2)
        #expect(policy.maxFailures == 10)
    }

    @Test func theTimeDoublesWithEachFailureUpToItsBound() {
        var machine = machine(failures: 6)
        let times = (0..<7).map { _ in machine.connectionEnded(random: 0) }
        #expect(times == [1, 2, 4, 8, 10, 10, nil].map { $0.map { .seconds($0) } })
    }

    @Test func asManyFailuresAsAllowedAndOneMore() {
        var machine = machine(failures: 2)
        #expect(machine.connectionEnded(random: 0) != nil)
        #expect(machine.connectionEnded(random: 0) != nil)
        #expect(machine.connectionEnded(random: 0) == nil)
        #expect(machine.failures == 3)
    }

    @Test func anEventEndsTheRowOfFailures() {
        var machine = machine(failures: 1)
        for _ in 0..<5 {
            #expect(machine.connectionEnded(random: 0) == .seconds(1))
            machine.eventReceived()
            #expect(machine.connectionEnded(random: 0) == .seconds(1))
        }
    }

    @Test func theServersTimeReplacesThePolicys() {
        var machine = machine()
        machine.eventReceived()
        machine.retryReceived(.milliseconds(200))
        #expect(machine.connectionEnded(random: 0) == .milliseconds(200))
        machine.eventReceived()
        machine.retryReceived(.milliseconds(Int64.max))
        #expect(machine.connectionEnded(random: 0) == .seconds(10))
        machine.eventReceived()
        machine.retryReceived(.zero)
        #expect(machine.connectionEnded(random: 0) == .zero)
    }

    @Test(arguments: [(0.0, 1000), (0.5, 1250), (1.0, 1500), (7.0, 1500), (-1.0, 1000)])
    func jitterAddsAPartOfTheTime(_ random: Double, _ milliseconds: Int) {
        var machine = machine(jitter: 0.5)
        #expect(machine.connectionEnded(random: random) == .milliseconds(milliseconds))
    }

    @Test func negativeTimesAreZero() {
        var machine = machine(initial: .seconds(-1), max: .seconds(-5), jitter: -1)
        #expect(machine.connectionEnded(random: 1) == .zero)
    }
}
