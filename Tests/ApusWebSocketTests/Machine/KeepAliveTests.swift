import ApusWebSocket
import Testing

@Suite struct KeepAliveTests {
    private func make() -> KeepAlive {
        KeepAlive(interval: .seconds(20), timeout: .seconds(5), now: .seconds(100))
    }

    @Test func aSilentPeerIsPingedAndThenGivenUp() {
        var keepAlive = make()
        #expect(keepAlive.nextDeadline == .seconds(120))
        #expect(keepAlive.deadlineReached(now: .seconds(119), read: 1) == .none)
        #expect(keepAlive.deadlineReached(now: .seconds(120), read: 1) == .ping)
        #expect(keepAlive.nextDeadline == .seconds(125))
        #expect(keepAlive.deadlineReached(now: .milliseconds(124_999), read: 1) == .none)
        #expect(keepAlive.deadlineReached(now: .seconds(125), read: 1) == .giveUp)
        #expect(keepAlive.deadlineReached(now: .seconds(500), read: 1) == .none)
    }

    @Test func anyByteIsASignOfLife() {
        var keepAlive = make()
        keepAlive.bytesReceived()
        #expect(keepAlive.deadlineReached(now: .seconds(120), read: 2) == .none)
        #expect(keepAlive.nextDeadline == .seconds(140))
        #expect(keepAlive.deadlineReached(now: .seconds(140), read: 2) == .ping)
        keepAlive.bytesReceived()
        #expect(keepAlive.deadlineReached(now: .seconds(145), read: 3) == .none)
        #expect(keepAlive.nextDeadline == .seconds(165))
    }

    @Test(arguments: [nil, 2] as [UInt64?])
    func silenceCountsOnlyWhileOneReadWaits(later: UInt64?) {
        var keepAlive = make()
        #expect(keepAlive.deadlineReached(now: .seconds(120), read: 1) == .ping)
        #expect(keepAlive.deadlineReached(now: .seconds(125), read: later) == .none)
        #expect(keepAlive.nextDeadline == .seconds(130))
        // The read that waited at the last look still waits.
        #expect(
            keepAlive.deadlineReached(now: .seconds(130), read: 2) == (later == 2 ? .giveUp : .none)
        )
        #expect(
            keepAlive.deadlineReached(now: .seconds(135), read: 2) == (later == 2 ? .none : .giveUp)
        )
    }
}
