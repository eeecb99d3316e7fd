import ApusCore
import ApusHTTP2
import Testing

/// What becomes of several doubts at once, and the deadlines of SETTINGS.
@Suite struct HTTP2PeerWatchTests {
    private typealias Output = HTTP2Liveness.Output

    private let start = Deadline(nanoseconds: 1_000_000_000_000)

    private func at(_ seconds: Int) -> Deadline { start.advanced(by: .seconds(seconds)) }

    private func watch() -> HTTP2PeerWatch {
        var tuning = EngineTuning.HTTP2()
        tuning.pingAfter = .seconds(10)
        tuning.suspectAfter = .seconds(2)
        tuning.deadAfter = .seconds(10)
        tuning.writeTimeout = .seconds(30)
        tuning.settingsTimeout = .seconds(15)
        return HTTP2PeerWatch(tuning, now: start)
    }

    /// What the time leads to at a second, where nothing moves.
    private func look(
        _ watch: inout HTTP2PeerWatch, at second: Int, pending: Int = 0, acknowledged: Bool = true
    ) -> [HTTP2PeerWatch.Action] {
        watch.deadlineReached(
            now: at(second), areSettingsAcknowledged: acknowledged, output: Output(),
            pending: pending)
    }

    @Test(arguments: [
        (HTTP2PeerWatch.Cause.noAnswer, "no answer to a PING within 10 s (http2.deadAfter)"),
        (.noProgress, "the peer took nothing of what was sent for 30 s (http2.writeTimeout)"),
        (
            .noAcknowledgement,
            "the peer has not acknowledged our SETTINGS within 15 s (http2.settingsTimeout)"
        ),
    ])
    func theMessageOfAnEndNamesItsLimit(cause: HTTP2PeerWatch.Cause, message: String) {
        #expect(watch().message(for: cause) == message)
    }

    @Test func theMessageNamesWhatPingsTake() {
        var watch = watch()
        _ = watch.streamsOpened(now: at(0), output: Output())
        #expect(look(&watch, at: 10) == [.ping])
        _ = watch.bytesReceived(now: at(22))
        #expect(watch.pingAcknowledged(now: at(22)) == .seconds(12))
        #expect(
            watch.message(for: .noAnswer)
                == "no answer to a PING within 48 s (by the way's PING times; "
                + "http2.deadAfter is 10 s)")
    }

    @Test func aPeerThatSendsNoSettingsIsSuspectUntilTheyCome() {
        var watch = watch()
        watch.settingsSent(now: at(0), hasPeerSettings: false)
        #expect(watch.nextDeadline == at(2))
        #expect(look(&watch, at: 2) == [.suspect])
        #expect(watch.settingsReceived() == .trust)
        #expect(watch.nextDeadline == at(15))
        #expect(look(&watch, at: 15) == [])
        #expect(watch.nextDeadline == nil)
    }

    @Test func settingsThatCameBeforeOursLeftAreNotWaitedFor() {
        var watch = watch()
        #expect(watch.settingsReceived() == nil)
        watch.settingsSent(now: at(0), hasPeerSettings: true)
        #expect(watch.nextDeadline == at(15))
    }

    @Test func settingsThatAreNotAcknowledgedEndTheConnection() {
        var watch = watch()
        watch.settingsSent(now: at(0), hasPeerSettings: true)
        #expect(look(&watch, at: 14, acknowledged: false) == [])
        #expect(look(&watch, at: 15, acknowledged: false) == [.end(.noAcknowledgement)])
    }

    @Test func aPeerIsTrustedWhenTheLastOfSeveralDoubtsHasPassed() {
        var watch = watch()
        #expect(watch.cancelsCounted(areMany: false) == nil)
        #expect(watch.cancelsCounted(areMany: true) == .suspect)
        #expect(watch.cancelsCounted(areMany: true) == nil)
        #expect(watch.flushed(unsent: 10, hasMoved: true, now: at(0)) == nil)
        #expect(look(&watch, at: 2, pending: 10) == [])
        #expect(watch.cancelsCounted(areMany: false) == nil)
        #expect(look(&watch, at: 4, pending: 0) == [.trust])
    }

    @Test func theEarliestDeadlineIsTheNext() {
        var watch = watch()
        #expect(watch.nextDeadline == nil)
        #expect(watch.streamsOpened(now: at(0), output: Output()) == nil)
        #expect(watch.nextDeadline == at(10))
        watch.settingsSent(now: at(0), hasPeerSettings: true)
        #expect(watch.nextDeadline == at(10))
        #expect(watch.flushed(unsent: 10, hasMoved: true, now: at(0)) == nil)
        #expect(watch.nextDeadline == at(2))
    }

    @Test func oneLookMayFindSeveralThings() {
        var watch = watch()
        _ = watch.streamsOpened(now: at(0), output: Output())
        _ = watch.flushed(unsent: 10, hasMoved: true, now: at(0))
        #expect(look(&watch, at: 10, pending: 10) == [.ping, .suspect])
        #expect(look(&watch, at: 20, pending: 10) == [])
        #expect(look(&watch, at: 40, pending: 10) == [.end(.noAnswer), .end(.noProgress)])
    }

    @Test func anAnswerEndsTheDoubtOfSilence() {
        var watch = watch()
        _ = watch.streamsOpened(now: at(0), output: Output())
        #expect(look(&watch, at: 10) == [.ping])
        #expect(look(&watch, at: 12) == [.suspect])
        #expect(watch.bytesReceived(now: at(13)) == .trust)
        #expect(watch.bytesReceived(now: at(13)) == nil)
        #expect(watch.requestTimedOut(now: at(20), output: Output()) == .ping)
        watch.streamsClosed()
        #expect(watch.nextDeadline == at(22))
    }
}
