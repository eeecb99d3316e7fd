import ApusCore
import ApusPool
import Testing

/// What the pool learns from peers that end idle connections before we do.
@Suite struct IdleMemoryTests {
    /// A peer that ends what has been idle for so long, and how the pool fares with it.
    private struct Peer {
        let driver: PoolDriver
        let keeps: Duration
        let route = Routes.plain()
        var staleReuses = 0
        var dials = 0

        /// One exchange; a connection that the peer has given up costs a second one.
        mutating func exchange() throws {
            while let connection = driver.take(route) {
                guard driver.now.since(idleSince) >= keeps else { return finish(connection) }
                staleReuses += 1
                driver.closed(connection, .staleReuse)
            }
            dials += 1
            let dialled = try #require(driver.dials.first)
            driver.establish(dialled)
            finish(dialled)
        }

        private mutating func finish(_ connection: ConnectionID) {
            driver.release(connection)
            idleSince = driver.now
        }

        private var idleSince = Deadline(nanoseconds: 0)

        init(keeps: Duration, _ driver: PoolDriver = PoolDriver()) {
            self.keeps = keeps
            self.driver = driver
        }
    }

    @Test("a snapshot reports what was learned of a peer", arguments: [true, false])
    func learnedIdleLimitsAreInTheSnapshot(mayTeach: Bool) throws {
        var peer = Peer(keeps: .seconds(4), PoolDriver { $0.learnsIdleTime = mayTeach })
        func learned() throws -> Duration? {
            let routes = peer.driver.pool.snapshot(now: peer.driver.now).routes
            return try #require(routes.first { $0.route == peer.route }).learnedIdle
        }
        for _ in 0..<2 {
            try peer.exchange()
            #expect(try learned() == nil)
            peer.driver.pass(.seconds(4))
        }
        try peer.exchange()
        #expect(try learned() == (mayTeach ? .seconds(3) : nil))
    }

    @Test(
        "an origin that closes at 3 s idle costs two stale reuses at most, then none in 100 rounds",
        arguments: [Duration.seconds(3), .milliseconds(1200), .seconds(60)])
    func staleReusesEnd(_ keeps: Duration) throws {
        var peer = Peer(keeps: keeps)
        // The worst of it: each request comes just as the peer gives the connection up.
        for _ in 0..<3 {
            try peer.exchange()
            peer.driver.pass(keeps)
        }
        let taught = peer.staleReuses
        #expect(taught == 2)
        for round in 0..<100 {
            try peer.exchange()
            #expect(peer.staleReuses == taught, "round \(round)")
            peer.driver.pass(keeps)
        }
        #expect(peer.dials == 103)
        // What comes sooner still finds its connection.
        try peer.exchange()
        peer.driver.pass(keeps / 2)
        try peer.exchange()
        #expect(peer.dials == 104)
    }

    @Test func endsThatAreSeenInTimeTeachAsWell() throws {
        let driver = PoolDriver()
        for _ in 0..<2 {
            let connection = driver.open(Routes.plain(), 1)[0]
            driver.release(connection)
            driver.pass(.seconds(3))
            driver.closed(connection, .peerClosed)
        }
        #expect(try idleTime(driver) == .milliseconds(2250))
    }

    @Test(arguments: [(8, 7), (240, 239), (2, 1)])
    func theMarginIsAQuarterAndASecondAtMost(seconds: Int, limit: Int) throws {
        let driver = PoolDriver { $0.idleTimeout = .seconds(600) }
        for _ in 0..<2 { try end(driver, after: .seconds(seconds)) }
        let expected: Duration = seconds == 2 ? .milliseconds(1500) : .seconds(limit)
        #expect(try idleTime(driver) == expected)
    }

    @Test func theLongerOfTwoPeriodsCounts() throws {
        let driver = PoolDriver()
        try end(driver, after: .seconds(33))
        try end(driver, after: .seconds(40))
        #expect(try idleTime(driver) == .seconds(39))
        // It only ever comes down.
        try end(driver, after: .seconds(10))
        try end(driver, after: .seconds(12))
        #expect(try idleTime(driver) == .seconds(11))
        try end(driver, after: .seconds(11))
        #expect(try idleTime(driver) == .seconds(11))
    }

    @Test func periodsThatDifferTeachNothing() throws {
        let driver = PoolDriver()
        for seconds in [2, 40, 5, 60, 20] { try end(driver, after: .seconds(seconds)) }
        #expect(try idleTime(driver) == .seconds(90))
        try end(driver, after: .seconds(16))
        #expect(try idleTime(driver) == .seconds(19), "the last two agree")
    }

    @Test func aServerThatIsStartedAnewTeachesNothing() throws {
        let driver = PoolDriver()
        let connections = driver.open(Routes.plain(), 8)
        for connection in connections {
            driver.pass(.milliseconds(300))
            driver.release(connection)
        }
        driver.pass(.seconds(2))
        for connection in connections { driver.closed(connection, .peerClosed) }
        #expect(driver.pool.counters.closes == [.peerClosed: 8])
        #expect(try idleTime(driver) == .seconds(90), "they all ended together")
    }

    @Test(arguments: [CloseReason.peerClosed, .staleReuse, .goAway, .transportError])
    func shortPeriodsTeachNothing(_ reason: CloseReason) throws {
        let driver = PoolDriver()
        for _ in 0..<5 { try end(driver, after: .milliseconds(999), reason) }
        #expect(try idleTime(driver) == .seconds(90))
        try end(driver, after: .seconds(1), reason)
        try end(driver, after: .seconds(1), reason)
        #expect(try idleTime(driver) == .milliseconds(750))
    }

    @Test(arguments: [CloseReason.timeout, .protocolViolation, .unsolicitedBytes, .connectionClose])
    func otherEndsTeachNothing(_ reason: CloseReason) throws {
        let driver = PoolDriver()
        for _ in 0..<5 { try end(driver, after: .seconds(3), reason) }
        #expect(try idleTime(driver) == .seconds(90))
    }

    @Test func anUnusedConnectionTeachesNothing() throws {
        let driver = PoolDriver()
        for _ in 0..<5 {
            driver.perform(driver.pool.prewarm(Routes.plain(), connections: 1, now: driver.now))
            let warm = try #require(driver.dials.first)
            driver.establish(warm)
            driver.pass(.seconds(3))
            driver.closed(warm, .peerClosed)
        }
        #expect(try idleTime(driver) == .seconds(90))
    }

    @Test func routesToOnePeerLearnTogether() throws {
        let driver = PoolDriver()
        for _ in 0..<2 { try end(driver, after: .seconds(3)) }
        let origin = Routes.plain().origin
        let scoped = Route(origin: origin, isolation: "scope")
        #expect(try idleTime(driver, scoped) == .milliseconds(2250))
        let through = try ProxyEndpoint(kind: .http, host: "proxy.test", port: 3128)
        #expect(try idleTime(driver, Route(origin: origin, proxies: [through])) == .seconds(90))
        #expect(try idleTime(driver, Routes.plain("other.test")) == .seconds(90))
    }

    @Test func itIsSwitchedOffByItsTuning() throws {
        let driver = PoolDriver { $0.learnsIdleTime = false }
        for _ in 0..<5 { try end(driver, after: .seconds(3)) }
        #expect(try idleTime(driver) == .seconds(90))
    }

    @Test func aThousandPeersAreRemembered() throws {
        let driver = PoolDriver()
        let first = Routes.plain("first.test")
        for _ in 0..<2 { try end(driver, after: .seconds(3), route: first) }
        #expect(try idleTime(driver, first) == .milliseconds(2250))
        for index in 0..<1023 {
            try end(driver, after: .seconds(3), route: Routes.plain("h\(index).test"))
        }
        #expect(try idleTime(driver, first) == .milliseconds(2250), "1024 are remembered")
        try end(driver, after: .seconds(3), route: Routes.plain("one.more.test"))
        #expect(try idleTime(driver, first) == .seconds(90), "the first is forgotten")
    }

    // MARK: Support

    /// Has the peer end a connection in an idle period.
    private func end(
        _ driver: PoolDriver, after period: Duration, _ reason: CloseReason = .peerClosed,
        route: Route = Routes.plain()
    ) throws {
        let connection = try #require(driver.open(route, 1).first)
        driver.release(connection)
        driver.pass(period)
        guard reason == .staleReuse else { return driver.closed(connection, reason) }
        #expect(driver.take(route) == connection)
        driver.closed(connection, reason)
    }

    /// How long a new connection may be idle.
    private func idleTime(_ driver: PoolDriver, _ route: Route = Routes.plain()) throws -> Duration
    {
        let connection = try #require(driver.open(route, 1).first)
        driver.release(connection)
        let start = driver.now
        driver.closes = []
        while let next = driver.pool.nextDeadline, driver.closes.isEmpty {
            driver.now = next
            driver.tick()
        }
        #expect(driver.closes == [.init(connection: connection, reason: .idleTimeout)])
        return driver.now.since(start)
    }
}
