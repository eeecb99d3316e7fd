import ApusCore
import Testing

/// The lines of proxies in a snapshot.
@Suite struct EngineSnapshotProxiesTests {
    @Test func aProxyIsOneLine() {
        var entry = EngineSnapshot.ProxyEntry(proxy: "http://p:3128")
        entry.dials = 9
        entry.opened = 2
        #expect("\(entry)" == "http://p:3128: healthy, 2 of 9 dials opened")
        entry.state = .failing
        entry.failures = ["unreachable": 6, "silent": 1]
        entry.failingTargets = ["a.test:443"]
        entry.secondsToProbe = 3.1
        #expect(
            "\(entry)" == "http://p:3128: failing, 2 of 9 dials opened; silent 1; unreachable 6;"
                + " failing to a.test:443; probe in 4 s")
        #expect(entry.failures(.unreachable) == 6 && entry.failures(.cut) == 0)
    }
}
