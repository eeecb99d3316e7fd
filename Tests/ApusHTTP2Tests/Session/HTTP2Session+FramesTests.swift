import ApusCore
import ApusHTTP2
import HTTPTypes
import Testing

@Suite struct HTTP2SessionFramesTests {
    @Test func requestsBeyondThePeersBoundWaitAndThenLeave() throws {
        let harness = try Harness(settings: [(3, 0)])
        try harness.request()
        try harness.request()
        #expect(harness.takeSent().isEmpty)
        #expect(harness.session.openStreams == 2)
        harness.receive(Wire.settings([(3, 2)]))
        #expect(harness.takeSent() == ["SETTINGS ack", "HEADERS 1 end", "HEADERS 3 end"])
        #expect(harness.takeLog() == ["settings 2"])
    }

    @Test func aBoundLoweredBelowTheOpenStreamsEndsNone() throws {
        let harness = try Harness()
        for _ in 0..<3 { try harness.request() }
        harness.receive(Wire.settings([(3, 1)]))
        try harness.request()
        _ = harness.takeSent()
        harness.receive(Wire.head(1, end: true) + Wire.head(3, end: true))
        #expect(harness.takeSent().isEmpty)
        harness.receive(Wire.head(5, end: true))
        #expect(harness.takeSent() == ["HEADERS 7 end"])
    }

    @Test func pingsGoOneAtATime() throws {
        let harness = try Harness()
        harness.session.ping()
        harness.session.ping()
        harness.pump()
        #expect(harness.takeSent() == ["PING"])
        harness.receive(Wire.ping(99, ack: true))
        #expect(harness.takeLog().isEmpty)
        #expect(harness.session.isPingInFlight)
        harness.receive(Wire.ping(1, ack: true))
        #expect(harness.takeLog() == ["pong"])
        #expect(!harness.session.isPingInFlight)
        harness.session.ping()
        harness.pump()
        #expect(harness.takeSent() == ["PING"])
    }

    @Test func unsentStreamsBeyondALoweredLimitFailAndAreNeverSent() throws {
        let harness = try Harness()
        try harness.request()
        _ = harness.takeSent()
        let request = HTTPRequest(
            method: .get, scheme: "https", authority: "example.com", path: "/")
        for _ in 0..<3 { _ = try harness.session.submit(request, hasBody: false) }
        // The limit comes before they are framed: one of them fits beside the one that runs.
        harness.receive(Wire.settings([(3, 2)]), pumps: false)
        harness.takeEvents()
        #expect(
            harness.takeLog() == [
                "settings 2", "failed 5 notSent", "closed 5", "failed 7 notSent", "closed 7",
            ])
        #expect(!harness.session.hasRoom)
        harness.pump()
        #expect(harness.takeSent().filter { $0.hasPrefix("HEADERS") } == ["HEADERS 3 end"])
        harness.receive(Wire.head(1, end: true) + Wire.head(3, end: true))
        #expect(harness.session.hasRoom)
        try harness.request()
        #expect(harness.takeSent() == ["HEADERS 9 end"])
        #expect(harness.error == nil)
    }

    @Test func goAwayReturnsWhatNeverLeft() throws {
        let harness = try Harness(settings: [(3, 1)])
        try harness.request()
        try harness.request()
        _ = harness.takeSent()
        harness.receive(Wire.goAway(0x7FFF_FFFF))
        #expect(
            harness.takeLog() == ["goaway 2147483647 0 ", "failed 3 notSent", "closed 3"])
        let error = #expect(throws: HTTP2Error.self) { try harness.request() }
        #expect(error?.kind == .closing)
        harness.receive(Wire.head(1, end: true))
        #expect(harness.takeLog() == ["head 1 200 end", "end 1", "closed 1"])
        #expect(harness.takeSent().isEmpty)
    }

    @Test func aHeadAnswerHasALengthAndNoBody() throws {
        let harness = try Harness()
        try harness.request(method: .head)
        try harness.request(method: .head)
        harness.receive(
            Wire.headers(1, [(":status", "200"), ("content-length", "9")], end: true)
                + Wire.headers(3, [(":status", "200"), ("content-length", "9")])
                + Wire.data(3, "forbidden"))
        #expect(
            harness.takeLog() == [
                "head 1 200 content-length=9 end", "end 1", "closed 1",
                "head 3 200 content-length=9",
                "failed 3 malformed(the body's length differs from Content-Length)", "closed 3",
            ])
    }
}
