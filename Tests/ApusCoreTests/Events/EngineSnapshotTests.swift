import ApusCore
import Testing

/// The lines that a snapshot prints.
@Suite struct EngineSnapshotTests {
    @Test func aRouteIsOneLine() {
        var entry = EngineSnapshot.RouteEntry(
            route: "https://a.example", leased: 3, idle: 2, dialling: 1, waiting: 4,
            waitingFor: .dialsPerHost, insecureSkipVerify: false)
        let line = "https://a.example: 3 leased, 2 idle, 1 dialling, 4 waiting"
        #expect("\(entry)" == line + " for: dials per host")
        entry.waitingFor = nil
        entry.insecureSkipVerify = true
        #expect("\(entry)" == line + "; CERTIFICATES NOT VERIFIED")
        var snapshot = EngineSnapshot()
        #expect("\(snapshot)" == "")
        snapshot.routes = [entry, entry]
        #expect("\(snapshot)" == "\(entry)\n\(entry)")
    }

    @Test func aConnectionIsOneLine() {
        var entry = EngineSnapshot.ConnectionEntry(
            id: 7, route: "https://a.example", state: .leased, streams: 3, capacity: 100,
            ageSeconds: 1, idleSeconds: nil, protocolName: "h2", remoteAddress: "127.0.0.1:443",
            insecureSkipVerify: false)
        let line = "connection 7 to https://a.example (127.0.0.1:443, h2): leased, 3 of 100 streams"
        #expect("\(entry)" == line)
        entry.protocolName = nil
        entry.state = .dialling
        entry.insecureSkipVerify = true
        #expect(
            "\(entry)" == "connection 7 to https://a.example: dialling, 3 of 100 streams;"
                + " CERTIFICATE NOT VERIFIED")
    }

    @Test func aReasonThatNeverOccurredCountsZero() {
        var counters = EngineSnapshot.Counters()
        counters.closes["cancelled"] = 2
        #expect(counters.closes(.cancelled) == 2)
        #expect(counters.closes(.peerClosed) == 0)
    }
}
