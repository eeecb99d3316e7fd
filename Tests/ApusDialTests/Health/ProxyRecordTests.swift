import ApusCore
@testable import ApusDial
import Testing

/// The figures of one proxy, and its targets.
@Suite struct ProxyRecordTests {
    private let limits = ProxyCondition.Limits(first: .seconds(5), most: .seconds(600))
    private let target = TunnelTarget(host: "a.test", port: 443)

    private func attempt(_ number: Int, at second: Int64) -> ProxyAttempt {
        ProxyAttempt(
            dial: dial(number), route: number, began: at(second), now: at(second),
            error: TransportError(.proxyFailed, phase: .proxy, message: "closed"))
    }

    private func record() throws -> ProxyRecord { ProxyRecord(try proxyRoute("http://p:3128")) }

    @Test func theFiguresCountWhatHappened() throws {
        var record = try record()
        #expect(record.entry("p", now: at(0)).state == .healthy)
        #expect(record.entry("p", now: at(0)).handshakeSeconds == nil)
        for seconds in [1, 9] as [Int64] {
            _ = record.ended(attempt(1, at: 0), .opened(.seconds(seconds)), to: target, limits)
        }
        _ = record.ended(attempt(1, at: 0), .forwards, to: target, limits)
        for failure in ProxyFailure.allCases where failure != .cut {
            _ = record.ended(attempt(1, at: 0), .failed(failure), to: target, limits)
        }
        _ = record.wasCut(1, now: at(0), limits)
        let entry = record.entry("p", now: at(0))
        #expect(entry.dials == 11 && entry.opened == 3)
        #expect(entry.handshakeSeconds == 2)
        #expect(ProxyFailure.allCases.allSatisfy { entry.failures($0) == 1 })
        #expect(entry.state == .doubtful && entry.secondsToProbe == nil)
        #expect(record.entry("p", now: at(60)).state == .healthy)
    }

    @Test func aTargetsFailureLeavesTheProxyToOthers() throws {
        var record = try record()
        let other = TunnelTarget(host: "b.test", port: 443)
        for number in 1...2 {
            let changes = record.ended(
                attempt(number, at: 1), .failed(.openedThenClosed), to: target, limits)
            #expect(changes.map(\.isFailing) == (number == 1 ? [] : [true]))
            #expect(changes.allSatisfy { $0.target == target })
        }
        #expect(record.failing == 1)
        #expect(record.bar(to: target, now: at(1))?.left == .seconds(5))
        #expect(record.bar(to: target, now: at(1))?.target == target)
        #expect(record.bar(to: other, now: at(1)) == nil)
        var entry = record.entry("p", now: at(1))
        #expect(entry.state == .doubtful && entry.failingTargets == ["a.test:443"])
        #expect(entry.secondsToProbe == 5)
        // A success to another target says nothing of this one; one to it does.
        #expect(record.ended(attempt(3, at: 2), .opened(.zero), to: other, limits).isEmpty)
        #expect(record.failing == 1)
        let changes = record.ended(attempt(4, at: 3), .opened(.zero), to: target, limits)
        #expect(changes.map(\.isFailing) == [false] && changes[0].target == target)
        entry = record.entry("p", now: at(3))
        #expect(entry.state == .healthy && entry.failingTargets.isEmpty)
    }

    @Test func anAnswerShowsThatTheProxyWorks() throws {
        for answer in [ProxyFailure.credentialsRefused, .targetRefused] {
            var record = try record()
            for number in 1...2 {
                _ = record.ended(attempt(number, at: 1), .failed(.unreachable), to: target, limits)
            }
            #expect(record.bar(to: target, now: at(1))?.target == nil)
            #expect(record.entry("p", now: at(1)).state == .failing)
            for number in 3...9 {
                let changes = record.ended(
                    attempt(number, at: 6), .failed(answer), to: target, limits)
                #expect(changes.map(\.isFailing) == (number == 3 ? [false] : []))
            }
            #expect(record.failing == 0)
        }
    }

    @Test func oneDialProbesTheProxyAndTheTarget() throws {
        var record = try record()
        for failure in [ProxyFailure.silent, .unreachable] {
            for number in 1...2 {
                _ = record.ended(attempt(number, at: 1), .failed(failure), to: target, limits)
            }
        }
        #expect(record.failing == 2)
        record.begins(dial(9), to: target)
        #expect(record.bar(to: target, now: at(9))?.left == .zero)
        // It came to the proxy, which was silent: the proxy is reached, the target is not.
        let changes = record.ended(attempt(9, at: 9), .failed(.silent), to: target, limits)
        record.leaves(dial(9), to: target, now: at(9))
        #expect(changes.map(\.isFailing) == [false] && changes[0].target == nil)
        #expect(record.bar(to: target, now: at(9))?.left == .seconds(10))
    }

    /// The origin may be what failed, and has come back.
    @Test func aTargetIsProbedAtLeastEveryHalfMinute() throws {
        var record = try record()
        var now: Int64 = 1
        for number in 1...2 {
            _ = record.ended(attempt(number, at: now), .failed(.silent), to: target, limits)
        }
        for (number, pause) in [5, 10, 20, 30, 30].enumerated() {
            #expect(record.bar(to: target, now: at(now))?.left == .seconds(pause))
            now += Int64(pause)
            record.begins(dial(10 + number), to: target)
            _ = record.ended(attempt(10 + number, at: now), .failed(.silent), to: target, limits)
        }
        let long = ProxyCondition.Limits(first: .seconds(90), most: .seconds(600)).forTarget
        #expect(long.first == .seconds(30) && long.most == .seconds(30))
    }

    @Test func theTargetsAreBounded() throws {
        var record = try record()
        for port in 1...1000 as ClosedRange<UInt16> {
            let target = TunnelTarget(host: "a.test", port: port)
            for number in 1...2 {
                _ = record.ended(attempt(number, at: 1), .failed(.silent), to: target, limits)
            }
            #expect(record.failing <= ProxyRecord.maxTargets)
            #expect(record.bar(to: target, now: at(1)) != nil)
        }
    }
}
