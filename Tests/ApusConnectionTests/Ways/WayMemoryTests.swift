import ApusConnection
import ApusCore
import Testing

/// What is learned of a way for its later connections, in times that the test makes up.
@Suite struct WayMemoryTests {
    private func way(_ host: String = "a.test", isolation: IsolationScope? = nil) throws -> Route {
        Route(
            origin: try Origin(scheme: .https, host: host), proxies: [], versions: .automatic,
            tls: EngineTuning.TLS(), localAddress: nil, localInterface: nil, connectTo: nil,
            isolation: isolation, purpose: .exchanges)
    }

    private func at(_ seconds: Double) -> Deadline {
        Deadline(nanoseconds: 1_000_000_000_000).advanced(by: .seconds(seconds))
    }

    private func tuning(
        pingAfter: Duration? = .seconds(15), idle: Duration? = nil
    ) -> EngineTuning.HTTP2 {
        var tuning = EngineTuning.HTTP2()
        tuning.pingAfter = pingAfter
        tuning.idlePingAfter = idle
        return tuning
    }

    private let hours = 3600.0

    // MARK: too_many_pings

    @Test func eachComplaintDoublesTheIntervalUpToTenMinutes() throws {
        var memory = WayMemory()
        let route = try way()
        #expect(memory.adapted(tuning(), for: route, now: at(0)) == tuning())
        var interval = Duration.seconds(15)
        for expected in [30, 60, 120, 240, 480, 600, 600] {
            interval = memory.pingsWereTooMany(on: route, after: interval, now: at(0))
            #expect(interval == .seconds(expected))
            #expect(
                memory.adapted(tuning(), for: route, now: at(1))
                    == tuning(pingAfter: .seconds(expected)))
        }
        let entries = memory.entries(tuning(), now: at(1))
        #expect(entries.map(\.pingAfterSeconds) == [600])
        #expect(entries.map(\.pingComplaints) == [7])
    }

    @Test func connectionsOfOneIntervalDoubleItOnce() throws {
        var memory = WayMemory()
        let route = try way()
        for _ in 0..<3 {
            let next = memory.pingsWereTooMany(on: route, after: .seconds(15), now: at(0))
            #expect(next == .seconds(30))
        }
        _ = memory.pingsWereTooMany(on: route, after: .seconds(30), now: at(1))
        // One that was opened before the others were ended.
        #expect(
            memory.pingsWereTooMany(on: route, after: .seconds(15), now: at(2)) == .seconds(60))
    }

    @Test func itIsTheWaysAndNotTheRoutes() throws {
        var memory = WayMemory()
        _ = try memory.pingsWereTooMany(on: way(), after: .seconds(15), now: at(0))
        let other = try way(isolation: "another credential")
        #expect(memory.adapted(tuning(), for: other, now: at(1)).pingAfter == .seconds(30))
        #expect(try memory.adapted(tuning(), for: way("b.test"), now: at(1)) == tuning())
        #expect(memory.entries(tuning(), now: at(1)).map(\.route) == ["https://a.test"])
    }

    @Test func idleConnectionsAreAskedMoreRarelyTooAndNoneMoreOftenThanTuned() throws {
        var memory = WayMemory()
        let route = try way()
        _ = memory.pingsWereTooMany(on: route, after: .seconds(15), now: at(0))
        #expect(
            memory.adapted(tuning(idle: .seconds(20)), for: route, now: at(1))
                == tuning(pingAfter: .seconds(30), idle: .seconds(30)))
        #expect(
            memory.adapted(tuning(pingAfter: .seconds(40)), for: route, now: at(1))
                == tuning(pingAfter: .seconds(40)))
        // Off stays off.
        #expect(
            memory.adapted(tuning(pingAfter: nil), for: route, now: at(1)) == tuning(pingAfter: nil)
        )
        // A tuning that is rarer than the bound is not exceeded by it.
        let rare = memory.pingsWereTooMany(on: route, after: .seconds(900), now: at(2))
        #expect(rare == .seconds(900))
    }

    @Test func aComplaintIsForgottenSixHoursAfterTheLast() throws {
        var memory = WayMemory()
        let route = try way()
        _ = memory.pingsWereTooMany(on: route, after: .seconds(15), now: at(0))
        _ = memory.pingsWereTooMany(on: route, after: .seconds(30), now: at(hours))
        let end = 7 * hours
        #expect(memory.adapted(tuning(), for: route, now: at(end - 1)).pingAfter == .seconds(60))
        #expect(memory.adapted(tuning(), for: route, now: at(end)) == tuning())
        #expect(memory.entries(tuning(), now: at(end)).isEmpty)
        let next = memory.pingsWereTooMany(on: route, after: .seconds(15), now: at(end))
        #expect(next == .seconds(30))
        #expect(memory.entries(tuning(), now: at(end)).map(\.pingComplaints) == [1])
    }

    // MARK: Bounds

    @Test func whatIsForgottenIsNotKnown() throws {
        var memory = WayMemory()
        for host in ["a.test", "b.test"] {
            _ = try memory.pingsWereTooMany(on: way(host), after: .seconds(15), now: at(0))
        }
        memory.forget(memory.routes.filter { $0.origin.host == "a.test" })
        #expect(memory.entries(tuning(), now: at(1)).map(\.route) == ["https://b.test"])
    }

    @Test func theMemoryIsBounded() throws {
        var memory = WayMemory()
        for index in 0...WayMemory.maxWays {
            _ = try memory.pingsWereTooMany(
                on: way("h\(index).test"), after: .seconds(15), now: at(0))
        }
        #expect(memory.routes.count == 1)
    }
}
