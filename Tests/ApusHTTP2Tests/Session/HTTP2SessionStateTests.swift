import Testing

@testable import ApusHTTP2

@Suite struct HTTP2SessionStateTests {
    @Test(
        arguments: [
            (HTTP2SessionState.open, true), (.shuttingDown, true),
            (.condemned(HTTP2Error(.protocolViolation(code: 1))), true), (.ended, false),
            (.failed(HTTP2Error(.closing)), false),
        ] as [(HTTP2SessionState, Bool)])
    func nghttp2IsCalledUntilTheEnd(state: HTTP2SessionState, isRunning: Bool) {
        #expect(state.isRunning == isRunning)
    }

    @Test func theStatesFollowEachOther() throws {
        let harness = try Harness()
        guard case .open = harness.session.state else { return record(harness) }
        harness.session.shutDown()
        guard case .shuttingDown = harness.session.state else { return record(harness) }
        harness.session.goAway(code: 2)
        guard case .failed = harness.session.state else { return record(harness) }
        // A failure stays.
        harness.session.streamEnded()
        guard case .failed = harness.session.state else { return record(harness) }
        #expect(harness.session.failure?.kind == .ended(code: 2))
    }

    @Test func theEndOfTheBytesIsNoFailure() throws {
        let harness = try Harness()
        harness.session.streamEnded()
        guard case .ended = harness.session.state else { return record(harness) }
        harness.session.goAway(code: 2)
        #expect(harness.session.failure == nil)
        #expect(harness.session.isDraining)
    }

    @Test func aDemandForCalmIsRemembered() throws {
        let harness = try Harness()
        #expect(harness.session.peerGoAway == .none)
        let stream = try harness.request()
        harness.receive(Wire.goAway(0x7FFF_FFFF))
        #expect(harness.session.peerGoAway == .received)
        harness.receive(Wire.goAway(stream, 0xB))
        harness.receive(Wire.goAway(stream))
        #expect(harness.session.peerGoAway == .calmDemanded)
        #expect(harness.session.isGoAwayReceived && harness.session.isCalmDemanded)
    }

    @Test func settingsAreExchangedInOrder() throws {
        let harness = try Harness(settings: nil)
        #expect(harness.session.settings == .sent)
        harness.receive(Wire.settings([]))
        #expect(harness.session.settings == .received)
        harness.receive(Wire.settingsAck)
        #expect(harness.session.settings == .acknowledged)
        harness.receive(Wire.settings([(3, 7)]))
        #expect(harness.session.settings == .acknowledged)
    }

    private func record(_ harness: Harness) {
        Issue.record("the session is \(harness.session.state)")
    }
}
