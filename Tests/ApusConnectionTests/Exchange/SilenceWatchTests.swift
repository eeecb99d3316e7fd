import ApusConnection
import ApusCore
import Testing

/// What `readIdleTimeout` takes for silence: row 20.
@Suite(.timeLimit(.minutes(5))) struct SilenceWatchTests {
    private static let timeout = Duration.seconds(5)

    private func at(_ seconds: Double) -> Deadline {
        Deadline(nanoseconds: Int64(seconds * 1_000_000_000))
    }

    private func watch(signsAt seconds: Double...) -> SilenceWatch {
        var watch = SilenceWatch(timeout: Self.timeout)
        for second in seconds { watch.signOfLife(now: at(second)) }
        return watch
    }

    @Test func row20_aBodyAfterALateHeadHasTheWholeTime() {
        // The head at 4.9 s; the timer of the request's beginning comes at 5 s.
        let watch = watch(signsAt: 4.9)
        #expect(watch.deadlineReached(now: at(5), isReading: true) == .lasts(until: at(9.9)))
        #expect(watch.deadlineReached(now: at(9.9), isReading: true) == .isOver)
    }

    @Test func row20_silenceEndsOneTimeoutAfterTheLastByteAndNotLater() {
        let watch = watch(signsAt: 0, 0.1)
        #expect(watch.deadlineReached(now: at(5), isReading: true) == .lasts(until: at(5.1)))
        #expect(watch.deadlineReached(now: at(5.1), isReading: true) == .isOver)
    }

    @Test func row20_eachByteResetsIt() {
        var watch = watch(signsAt: 0)
        for second in 1...20 {
            watch.signOfLife(now: at(Double(second) * 4))
            #expect(
                watch.deadlineReached(now: at(Double(second) * 4 + 4.9), isReading: true)
                    == .lasts(until: at(Double(second) * 4 + 5)))
        }
    }

    @Test func row20_silenceDoesNotCountBeforeTheHead() {
        let watch = watch()
        #expect(watch.deadlineReached(now: at(100), isReading: false) == .lasts(until: at(105)))
        #expect(watch.deadlineReached(now: at(100), isReading: true) == .lasts(until: at(105)))
    }

    @Test func row20_aSlowConsumerIsNotThePeersSilence() {
        var watch = watch(signsAt: 0)
        // It sits on what has come: asked again in time for whatever it does next.
        #expect(watch.deadlineReached(now: at(5), isReading: false) == .lasts(until: at(10)))
        watch.signOfLife(now: at(7))
        #expect(watch.deadlineReached(now: at(10), isReading: true) == .lasts(until: at(12)))
        #expect(watch.deadlineReached(now: at(12), isReading: true) == .isOver)
    }
}
