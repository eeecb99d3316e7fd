import ApusCore
import Testing

/// The lines of learned ways in a snapshot.
@Suite struct EngineSnapshotWaysTests {
    @Test func aWayIsOneLine() {
        var way = EngineSnapshot.LearnedWay(route: "https://a.test")
        #expect("\(way)" == "https://a.test: no PINGs")
        way.pingAfterSeconds = 30
        way.pingComplaints = 1
        #expect("\(way)" == "https://a.test: PING after 30 s, too many for the peer 1 time")
        way.pingTimeSeconds = 0.02
        way.pingComplaints = 2
        #expect(
            "\(way)" == "https://a.test: PING after 30 s (takes 20 ms), "
                + "too many for the peer 2 times")
        var limited = EngineSnapshot.LearnedWay(route: "https://a.test")
        limited.pingAfterSeconds = 72
        limited.silenceLimitSeconds = 120
        limited.silenceLimitSeen = 3
        #expect(
            "\(limited)" == "https://a.test: PING after 72 s, "
                + "ends silent connections after 120 s (seen 3 times)")
    }
}
