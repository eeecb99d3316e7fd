import ApusCore
import CApusNghttp2

// Flow control of what we receive (RFC 9113, section 5.2).
//
// A window smaller than what the path holds in one round trip is what bounds a download. So a round
// trip is measured by a PING while a body arrives, and a stream that filled most of its window
// within it gets a larger one. Nothing is measured for bodies that fit their window.

extension HTTP2Session {
    /// The consumer took this many bytes of the stream's body, which credits the stream's window;
    /// a WINDOW_UPDATE goes out when half of it is due.
    ///
    /// More than was delivered is not credited.
    package func consumed(_ count: Int, on id: HTTP2StreamID) {
        guard state.isRunning, let stream = stream(id) else { return }
        let credit = min(count, stream.unconsumedCount)
        stream.unconsumedCount -= credit
        // A complete response needs no window.
        guard credit > 0, stream.progress == .body else { return }
        _ = nghttp2_session_consume_stream(session, id, credit)
    }

    /// The stream's receive window as it is now; `nil` when the stream is gone.
    package func receiveWindow(of id: HTTP2StreamID) -> Int? {
        stream(id)?.window
    }

    /// Body bytes came in: counts them, and begins a measurement when the stream's window may be
    /// what bounds it.
    func bodyMeasured(_ count: Int, on stream: HTTP2Stream) {
        stream.roundTripCount += count
        guard stream.window < tuning.maxStreamWindow, !measurement.isRunning,
            stream.roundTripCount * 2 >= stream.window, measurement.isDue(now)
        else { return }
        ping()
        guard pingInFlight != nil else { return }
        for stream in streams.values { stream.roundTripCount = 0 }
        measurement.isRunning = true
    }

    /// The PING came back: one round trip is over.
    func roundTripEnded() {
        guard measurement.isRunning else { return }
        var hasGrown = false
        for stream in streams.values {
            if grow(stream) { hasGrown = true }
            stream.roundTripCount = 0
        }
        measurement.end(hasGrown: hasGrown, now)
    }

    /// Doubles the window of a stream that filled half of it in one round trip, while its consumer
    /// keeps up.
    ///
    /// Half, because a WINDOW_UPDATE goes out when half is due: what is left of a window's burst is
    /// credited with the next one, so a path that the window bounds may hold little more per round.
    private func grow(_ stream: HTTP2Stream) -> Bool {
        let isFull = stream.roundTripCount * 2 >= stream.window
        let keepsUp = stream.unconsumedCount * 2 <= stream.window
        guard isFull, keepsUp, stream.progress == .body, stream.window < tuning.maxStreamWindow
        else { return false }
        let wanted = min(tuning.maxStreamWindow, max(stream.window, stream.roundTripCount) * 2)
        let growth = budget?.take(upTo: wanted - stream.window) ?? wanted - stream.window
        guard growth > 0 else { return false }
        let code = nghttp2_session_set_local_window_size(
            session, 0, stream.id, Int32(clamping: stream.window + growth))
        guard code == 0 else {
            budget?.giveBack(growth)
            return false
        }
        stream.window += growth
        return true
    }

    /// Gives back what the stream's window had grown by; called once, when the stream is gone.
    func returnGrowth(of stream: HTTP2Stream) {
        guard stream.window > tuning.streamWindow else { return }
        budget?.giveBack(stream.window - tuning.streamWindow)
    }
}

/// What the windows of an engine's connections may grow by together, beyond what each stream has
/// from its beginning.
package protocol WindowBudget: AnyObject, Sendable {
    /// Takes so many bytes, or as many as are left.
    func take(upTo wanted: Int) -> Int
    /// Returns bytes that were taken.
    func giveBack(_ count: Int)
}

/// Whether a round trip is being measured, and when the next may be.
struct WindowMeasurement {
    /// The pause after a measurement that showed no need; doubles with each, up to the last.
    static let firstPause = Duration.milliseconds(100)
    static let lastPause = Duration.seconds(10)

    var isRunning = false
    private var pause = Self.firstPause
    private var next: Deadline?

    /// Whether the pause is over; without a clock there is none.
    func isDue(_ now: Deadline?) -> Bool {
        guard let next, let now else { return true }
        return next <= now
    }

    mutating func end(hasGrown: Bool, _ now: Deadline?) {
        isRunning = false
        guard !hasGrown else {
            pause = Self.firstPause
            next = nil
            return
        }
        next = now?.advanced(by: pause)
        pause = min(pause * 2, Self.lastPause)
    }
}
