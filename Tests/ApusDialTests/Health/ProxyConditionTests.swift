import ApusCore
@testable import ApusDial
import Testing

/// When no dial begins through a proxy, and until when.
@Suite struct ProxyConditionTests {
    private let limits = ProxyCondition.Limits(first: .seconds(5), most: .seconds(12))

    private func failed(
        _ condition: inout ProxyCondition, _ kind: ProxyFailure = .unreachable, route: Int = 0,
        dial number: Int = 0, began: Int64? = nil, at second: Int64
    ) -> Bool {
        let error = TransportError(.connect(errno: 111), phase: .connect, message: "refused")
        let attempt = ProxyAttempt(
            dial: dial(number), route: route, began: at(began ?? second), now: at(second),
            error: error)
        return condition.failed(kind, attempt, limits)
    }

    /// A condition that is failing from second 0 to 5.
    private func failing() -> ProxyCondition {
        var condition = ProxyCondition()
        #expect(failed(&condition, route: 0, at: 0) == false)
        #expect(failed(&condition, route: 1, at: 0) == true)
        return condition
    }

    @Test func twoRoutesWithinAMinuteAreEnough() {
        var condition = ProxyCondition()
        #expect(failed(&condition, route: 1, at: 0) == false)
        #expect(condition.evidence(now: at(59)) == [.unreachable])
        #expect(condition.isQuiet(now: at(60)))
        // The first has been forgotten, and so often as one route fails, it is one.
        for second in [60, 61, 90] as [Int64] {
            #expect(failed(&condition, route: 2, at: second) == false)
        }
        #expect(!condition.isFailing && condition.bar(now: at(90)) == nil)
        #expect(failed(&condition, .tlsFailed, route: 1, at: 91) == true)
        #expect(condition.evidence(now: at(91)) == [.unreachable, .tlsFailed])
        #expect(condition.bar(now: at(91)) == .seconds(5))
        #expect(condition.bar(now: at(95)) == .seconds(1))
        #expect(condition.bar(now: at(96)) == nil)
        #expect(condition.untilProbe(now: at(96)) == .zero)
    }

    @Test func aSuccessBetweenThemEndsTheMatter() {
        var condition = ProxyCondition()
        _ = failed(&condition, route: 1, at: 10)
        #expect(condition.succeeded(now: at(11)) == false)
        #expect(condition.isQuiet(now: at(11)))
        #expect(failed(&condition, route: 2, at: 12) == false)
        // It began before the success, and shows nothing.
        #expect(failed(&condition, route: 3, began: 10, at: 13) == false)
        #expect(failed(&condition, route: 3, began: 11, at: 13) == true)
    }

    @Test func oneDialProbesAndEachFailureDoublesTheTimeUpToABound() {
        var condition = failing()
        var now: Int64 = 5
        for (number, pause) in [(1, 10), (2, 12), (3, 12)] as [(Int, Int64)] {
            #expect(condition.bar(now: at(now)) == nil)
            condition.begins(dial(number))
            #expect(condition.bar(now: at(now)) == .zero)
            #expect(condition.untilProbe(now: at(now)) == .zero)
            // Those that began before show nothing.
            #expect(failed(&condition, route: 7, dial: 99, at: now) == false)
            #expect(condition.bar(now: at(now)) == .zero)
            #expect(failed(&condition, route: 7, dial: number, at: now + 1) == false)
            #expect(condition.bar(now: at(now + 1)) == .seconds(pause))
            now += 1 + pause
        }
        condition.begins(dial(4))
        #expect(condition.succeeded(now: at(now)) == true)
        #expect(!condition.isFailing && condition.bar(now: at(now)) == nil)
        // The time begins anew.
        _ = failed(&condition, route: 1, at: now + 1)
        #expect(failed(&condition, route: 2, at: now + 1) == true)
        #expect(condition.bar(now: at(now + 1)) == .seconds(5))
    }

    @Test func aProbeThatShowsNothingMakesWayForTheNext() {
        var condition = failing()
        condition.begins(dial(1))
        condition.ended(dial(2), now: at(6))
        #expect(condition.bar(now: at(6)) == .zero)
        condition.ended(dial(1), now: at(6))
        #expect(condition.bar(now: at(6)) == nil)
        condition.begins(dial(3))
        #expect(failed(&condition, dial: 3, at: 7) == false)
        #expect(condition.bar(now: at(7)) == .seconds(10))
    }

    /// A dial that began before the proxy failed may succeed all the same.
    @Test func anySuccessEndsTheMatter() {
        var condition = failing()
        #expect(condition.succeeded(now: at(1)) == true)
        #expect(condition.bar(now: at(1)) == nil)
    }

    @Test func cutsCountOnlyBesideADialThatFailed() {
        var condition = ProxyCondition()
        for route in 0..<100 {
            #expect(condition.wasCut(route: route, now: at(0), limits) == false)
        }
        #expect(condition.evidence(now: at(0)).count == ProxyCondition.maxFailures)
        #expect(!condition.isQuiet(now: at(1)))
        #expect(failed(&condition, route: 1000, at: 1) == true)
        #expect(condition.wasCut(route: 2000, now: at(2), limits) == false)

        var other = ProxyCondition()
        _ = failed(&other, route: 1, at: 0)
        #expect(other.wasCut(route: 1, now: at(1), limits) == false)
        #expect(other.wasCut(route: 2, now: at(1), limits) == true)
    }

    @Test func nothingFailsWhereItIsOff() {
        let off = ProxyCondition.Limits(first: nil, most: .seconds(600))
        var condition = ProxyCondition()
        for route in 0..<20 {
            let attempt = ProxyAttempt(
                dial: dial(route), route: route, began: at(1), now: at(1),
                error: TransportError(.timeout, phase: .connect, message: ""))
            #expect(condition.failed(.silent, attempt, off) == false)
        }
        #expect(condition.bar(now: at(1)) == nil && !condition.isQuiet(now: at(1)))
    }

    @Test func theRefusalSaysWhyAndUntilWhen() throws {
        var condition = failing()
        let route = try proxyRoute("socks5://me:secret@127.0.0.1:1080")
        var error = condition.refusal(
            of: route, by: "socks5://127.0.0.1:1080", to: nil, left: .seconds(4), now: at(1))
        #expect(error.kind == .connect(errno: 111) && error.phase == .connect)
        #expect(error.hop == .proxy && error.replay == .notSent && error.isHeldBack)
        #expect(error.advice == .sendAgainElsewhere && error.route == route)
        #expect(
            error.message == "the proxy socks5://127.0.0.1:1080 is failing: unreachable over 2 "
                + "routes, last: refused; the next probe is in 4 s")
        #expect(!"\(error)".contains("secret"))
        condition.begins(dial(1))
        error = condition.refusal(
            of: route, by: "http://p:1", to: route.target(after: 0), left: .zero, now: at(1))
        #expect(error.message.hasPrefix("the proxy http://p:1 is failing to origin.test:443: "))
        #expect(error.message.hasSuffix("; a probe is under way"))
    }
}
