import ApusCore
@testable import ApusDial
import Synchronization
import Testing

/// What the watch reports, and what it costs while nothing fails.
@Suite struct ProxyWatchTests {
    private final class Recorder: EngineObserver {
        let words = Mutex<[String]>([])

        func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
            switch event {
            case .proxyFailing(let proxy, let target, let evidence, let time):
                words.withLock {
                    $0.append("\(proxy) \(target ?? "-") \(evidence.map(\.rawValue)) \(time)")
                }
            case .proxyRecovered(let proxy, let target):
                words.withLock { $0.append("\(proxy) \(target ?? "-") recovered") }
            default: break
            }
        }
    }

    private static let closed = TransportError(.proxyFailed, phase: .proxy, message: "closed")

    private func fail(_ watch: ProxyWatch, at second: Int64 = 1) throws {
        for user in ["a", "b"] {
            watch.ended(
                dial(1), try proxyRoute("http://\(user)@p:1"), since: at(second),
                [.failed(.brokenOff)], Self.closed, now: at(second))
        }
    }

    @Test func changesAreReportedOnce() throws {
        let recorder = Recorder()
        let watch = ProxyWatch(EngineTuning().pool, observer: EventReporter(recorder))
        let route = try proxyRoute("http://c@p:1")
        #expect(watch.refusal(of: route, now: at(1)) == nil)
        try fail(watch)
        try fail(watch)
        #expect(watch.refusal(of: route, now: at(2))?.kind == .proxyFailed)
        #expect(watch.begins(dial(2), route, now: at(2)) != nil)
        #expect(watch.begins(dial(2), route, now: at(6)) == nil)
        for _ in 0..<2 {
            watch.ended(
                dial(2), route, since: at(6), [.opened(.seconds(1))], nil, now: at(7))
        }
        #expect(watch.refusal(of: route, now: at(7)) == nil)
        #expect(
            recorder.words.withLock { $0 } == [
                "http://p:1 origin.test:443 [\"brokenOff\", \"brokenOff\"] 5.0 seconds",
                "http://p:1 origin.test:443 recovered",
            ])
        #expect(watch.entries(now: at(7)).map(\.state) == [.healthy])
    }

    /// The predicate may do what it likes with the engine.
    @Test func forgettingCallsThePredicateWithoutTheLock() throws {
        let watch = ProxyWatch(EngineTuning().pool, observer: nil)
        try fail(watch)
        watch.forget { route in
            #expect(watch.entries(now: at(1)).count == 1)
            return route.proxies.isEmpty
        }
        #expect(watch.entries(now: at(1)).map(\.failingTargets) == [["origin.test:443"]])
        watch.forget { $0.proxies.contains { $0.host == "p" } }
        #expect(watch.entries(now: at(1)).isEmpty)
        #expect(try watch.refusal(of: proxyRoute("http://c@p:1"), now: at(2)) == nil)
    }

    @Test func itCanBeTurnedOff() throws {
        var tuning = EngineTuning()
        tuning.pool.proxyBackoff = nil
        let watch = ProxyWatch(tuning.pool, observer: nil)
        try fail(watch)
        #expect(try watch.refusal(of: proxyRoute("http://c@p:1"), now: at(1)) == nil)
        #expect(watch.entries(now: at(1)).map(\.state) == [.doubtful])
        watch.wasCut(try proxyRoute(), now: at(1))
        watch.wasCut(try proxyRoute("http://c@p:1"), now: at(1))
        #expect(watch.entries(now: at(1)).map { $0.failures(.cut) } == [1])
    }
}
