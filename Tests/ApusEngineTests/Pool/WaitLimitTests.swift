import ApusConnection
import ApusCore
@testable import ApusEngine
import ApusPool
import Testing

/// The earliest limit of a wait, and its name.
@Suite struct WaitLimitTests {
    /// The limits in seconds; the wait begins at 10, the request began at 5.
    struct Limits: Sendable, CustomTestStringConvertible {
        var phase: Int64?
        var head: Int64?
        var total: Int64?

        var testDescription: String { "\(self)" }

        var request: OutgoingRequest {
            get throws {
                var options = RequestOptions()
                options.headTimeout = head.map { .seconds($0) }
                options.totalTimeout = total.map { .seconds($0) }
                return try ApusEngineTests.request(options: options)
            }
        }
    }

    @Test(
        "the earliest limit counts, a phase's own before others at the same instant",
        arguments: [
            (Limits(phase: 3), 13, .proxy), (Limits(head: 3), 8, .head),
            (Limits(total: 9), 14, .total),
            (Limits(phase: 3, head: 7), 12, .head), (Limits(phase: 3, head: 9), 13, .proxy),
            (Limits(phase: 3, head: 8), 13, .proxy), (Limits(head: 4, total: 4), 9, .head),
            (Limits(phase: 9, head: 8, total: 7), 12, .total),
        ] as [(Limits, Int64, TransportError.Phase)])
    func earliest(limits: Limits, deadline: Int64, phase: TransportError.Phase) throws {
        let limit = try #require(
            WaitLimit(
                limits.phase.map { .seconds($0) }, as: .proxy, at(10), try limits.request, at(5)))
        #expect(limit.deadline == at(deadline))
        #expect(limit.phase == phase)
        let error = limit.reached("nothing came")
        #expect(error.kind == .timeout)
        #expect(error.phase == phase)
        let words =
            switch phase {
            case .head: "no final head within \(limits.head ?? 0) s (headTimeout)"
            case .total: "no end of the response within \(limits.total ?? 0) s (totalTimeout)"
            default: "the time is over"
            }
        #expect(error.message == "nothing came: \(words)")
    }

    @Test func withoutLimitsThereIsNone() throws {
        #expect(WaitLimit(nil, as: .pool, at(10), try Limits().request, at(5)) == nil)
    }

    @Test("a wait's clock has the queue's limit, the dial's and the request's own")
    func clock() throws {
        var options = RequestOptions()
        options.acquireTimeout = .seconds(4)
        options.connectTimeout = .seconds(3)
        options.totalTimeout = .seconds(7)
        let clock = WaitClock(at(10), try request(options: options), at(5))
        #expect(clock.firstLook == at(12))
        #expect(clock.look(now: at(12), dial: nil) == .over(.total))
        #expect(clock.look(now: at(11), dial: nil) == .lasts(next: at(12), isOverdue: false))
        options.totalTimeout = nil
        let patient = WaitClock(at(10), try request(options: options), at(5))
        #expect(patient.firstLook == at(13))
        let dial = WaitClock.Dial(began: at(10))
        #expect(patient.look(now: at(13), dial: dial) == .over(.connect))
        #expect(patient.look(now: at(14), dial: nil) == .over(.pool))
    }
}
