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

    private func lessons(
        pingAfter: Duration? = .seconds(15), idle: Duration? = nil
    ) -> WayLessons {
        WayLessons(pingAfter: pingAfter, idlePingAfter: idle)
    }

    private let hours = 3600.0

    // MARK: too_many_pings

    @Test func eachComplaintDoublesTheIntervalUpToTenMinutes() throws {
        var memory = WayMemory()
        let route = try way()
        #expect(memory.lessons(for: route, tuning(), now: at(0)) == lessons())
        var interval = Duration.seconds(15)
        for expected in [30, 60, 120, 240, 480, 600, 600] {
            interval = memory.pingsWereTooMany(on: route, after: interval, now: at(0))
            #expect(interval == .seconds(expected))
            #expect(
                memory.lessons(for: route, tuning(), now: at(1))
                    == lessons(pingAfter: .seconds(expected)))
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
        #expect(memory.lessons(for: other, tuning(), now: at(1)).pingAfter == .seconds(30))
        #expect(try memory.lessons(for: way("b.test"), tuning(), now: at(1)) == lessons())
        #expect(memory.entries(tuning(), now: at(1)).map(\.route) == ["https://a.test"])
    }

    @Test func idleConnectionsAreAskedMoreRarelyTooAndNoneMoreOftenThanTuned() throws {
        var memory = WayMemory()
        let route = try way()
        _ = memory.pingsWereTooMany(on: route, after: .seconds(15), now: at(0))
        #expect(
            memory.lessons(for: route, tuning(idle: .seconds(20)), now: at(1))
                == lessons(pingAfter: .seconds(30), idle: .seconds(30)))
        #expect(
            memory.lessons(for: route, tuning(pingAfter: .seconds(40)), now: at(1))
                == lessons(pingAfter: .seconds(40)))
        // Off stays off.
        #expect(
            memory.lessons(for: route, tuning(pingAfter: nil), now: at(1))
                == lessons(pingAfter: nil))
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
        #expect(memory.lessons(for: route, tuning(), now: at(end - 1)).pingAfter == .seconds(60))
        #expect(memory.lessons(for: route, tuning(), now: at(end)) == lessons())
        #expect(memory.entries(tuning(), now: at(end)).isEmpty)
        let next = memory.pingsWereTooMany(on: route, after: .seconds(15), now: at(end))
        #expect(next == .seconds(30))
        #expect(memory.entries(tuning(), now: at(end)).map(\.pingComplaints) == [1])
    }

    // MARK: Silence

    /// Two cuts after so many seconds, the second of which ends at `end`.
    private func cut(
        _ memory: inout WayMemory, _ route: Route, after seconds: Double, end: Double
    ) {
        for end in [end - seconds - 1, end] {
            _ = memory.wasCut(on: route, after: .seconds(seconds), now: at(end))
        }
    }

    @Test(arguments: [
        // A limit in milliseconds, and the silence before a PING.
        (4000, 2400), (20_000, 12_000), (25_000, 15_000), (120_000, 15_000), (1000, 1000),
        (1500, 1000),
    ])
    func pingsComeAtThreeFifthsOfTheLimitAndNeverLaterThanTuned(
        limit: Int, pingAfter: Int
    ) throws {
        var memory = WayMemory()
        let route = try way()
        cut(&memory, route, after: Double(limit) / 1000, end: 0)
        let lessons = memory.lessons(for: route, tuning(), now: at(1))
        #expect(lessons.pingAfter == .milliseconds(pingAfter))
        #expect(lessons.silenceLimit?.silence == .milliseconds(limit))
        let entry = try #require(memory.entries(tuning(), now: at(1)).first)
        #expect(entry.silenceLimitSeconds == Double(limit) / 1000)
        #expect(entry.silenceLimitSeen == 2 && entry.pingComplaints == 0)
        #expect(entry.pingAfterSeconds == Double(pingAfter) / 1000)
        // Off stays off, and what is more often stays so.
        let off = memory.lessons(for: route, tuning(pingAfter: nil), now: at(1))
        #expect(off.pingAfter == nil)
        let often = memory.lessons(for: route, tuning(pingAfter: .milliseconds(50)), now: at(1))
        #expect(often.pingAfter == .milliseconds(50))
        #expect(memory.lessons(for: route, tuning(), now: at(6 * hours)).pingAfter == .seconds(15))
    }

    @Test func aComplaintOfPingsWinsOverTheLimit() throws {
        var memory = WayMemory()
        let route = try way()
        cut(&memory, route, after: 20, end: 0)
        _ = memory.pingsWereTooMany(on: route, after: .seconds(12), now: at(1))
        let lessons = memory.lessons(for: route, tuning(), now: at(2))
        #expect(lessons.pingAfter == .seconds(24))
        #expect(lessons.silenceLimit?.silence == .seconds(20))
    }

    @Test func aLongerSilenceForgetsTheLimit() throws {
        var memory = WayMemory()
        let route = try way()
        cut(&memory, route, after: 20, end: 0)
        memory.outlived(.seconds(21), on: route)
        #expect(memory.lessons(for: route, tuning(), now: at(1)).pingAfter == .seconds(12))
        memory.outlived(.seconds(40), on: route)
        #expect(memory.lessons(for: route, tuning(), now: at(1)) == lessons())
        #expect(memory.entries(tuning(), now: at(1)).isEmpty)
    }

    // MARK: What PINGs take

    @Test func whatPingsTakeIsKeptForSixHours() throws {
        var memory = WayMemory()
        let route = try way()
        memory.pingAcknowledged(on: route, after: nil, now: at(0))
        #expect(memory.lessons(for: route, tuning(), now: at(1)).pingTime == .zero)
        memory.pingAcknowledged(on: route, after: .seconds(10), now: at(1))
        memory.pingAcknowledged(on: route, after: .seconds(2), now: at(2))
        memory.pingAcknowledged(on: route, after: nil, now: at(3))
        #expect(memory.lessons(for: route, tuning(), now: at(4)).pingTime == .seconds(9))
        #expect(memory.entries(tuning(), now: at(4)).map(\.pingTimeSeconds) == [9])
        #expect(memory.lessons(for: route, tuning(), now: at(3 + 6 * hours)) == lessons())
        #expect(memory.entries(tuning(), now: at(3 + 6 * hours)).isEmpty)
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
        for index in 0...Way.maxRemembered {
            _ = try memory.pingsWereTooMany(
                on: way("h\(index).test"), after: .seconds(15), now: at(0))
        }
        #expect(memory.routes.count == 1)
    }
}
