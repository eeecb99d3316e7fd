import ApusCore
import ApusSocket

/// Finds out whether a silent HTTP/2 connection is alive, by one PING at a time: always while it
/// has open streams, and while it is idle where the tuning asks for that.
///
/// Confined to its connection's loop. A dead connection behind a NAT looks like a quiet one; only
/// an unanswered PING tells them apart. Any byte from the peer is an answer.
final class HTTP2Liveness: @unchecked Sendable {
    private enum State {
        /// Nothing is owed. Exits: `.pinged` after silence or a doubt.
        case trusted
        /// A PING left at this instant. Exits: `.trusted` by any byte, `.suspect` by
        /// `http2.suspectAfter`.
        case pinged(Deadline)
        /// That PING is unanswered for too long: no new streams. Exits: `.trusted` by any byte, or
        /// the connection's end by `http2.deadAfter`.
        case suspect(Deadline)
    }

    private let tuning: EngineTuning.HTTP2
    private let loop: EventLoop
    private var state = State.trusted
    private var lastHeard = Deadline.now()
    private var hasStreams = false
    private var timer: LoopTimer?
    /// Sends a PING.
    var ping: () -> Void = {}
    /// The connection may be dead: it should get no new streams.
    var suspected: () -> Void = {}
    /// The suspect showed life.
    var trusted: () -> Void = {}
    /// The connection is dead.
    var died: () -> Void = {}

    init(_ tuning: EngineTuning.HTTP2, on loop: EventLoop) {
        self.tuning = tuning
        self.loop = loop
    }

    func bytesReceived(now: Deadline) {
        lastHeard = now
        switch state {
        case .trusted: return
        case .pinged: state = .trusted
        case .suspect:
            state = .trusted
            // The timer stands at the hour of death, which is too late for the next silence.
            stopTimer()
            if let silence { look(at: now.advanced(by: silence)) }
            trusted()
        }
    }

    /// The connection is there, and idle.
    func connectionOpened() {
        watchIdle()
    }

    /// The first stream was opened: from now on silence counts.
    ///
    /// After a long silence without streams nobody knows whether the peer is still there: it is
    /// asked at once, beside the request.
    func streamsOpened() {
        hasStreams = true
        guard case .trusted = state else { return }
        stopTimer()
        guard let silence = tuning.pingAfter else { return }
        let now = Deadline.now()
        guard now < lastHeard.advanced(by: silence) else { return ask(now) }
        lastHeard = now
        look(at: now.advanced(by: silence))
    }

    /// No stream is open: silence is all right, unless an answer is owed or the tuning asks idle
    /// connections too.
    func streamsClosed() {
        hasStreams = false
        guard case .trusted = state else { return }
        stopTimer()
        watchIdle()
    }

    private func watchIdle() {
        guard let silence = tuning.idlePingAfter else { return }
        look(at: lastHeard.advanced(by: silence))
    }

    /// A request ran out of time, which may be the peer's death: it is asked at once.
    func doubted() {
        guard tuning.pingAfter != nil, case .trusted = state else { return }
        stopTimer()
        ask(.now())
    }

    /// The connection has ended.
    func stop() {
        stopTimer()
    }

    /// The silence after which the peer is asked as things stand.
    private var silence: Duration? { hasStreams ? tuning.pingAfter : tuning.idlePingAfter }

    private func ask(_ now: Deadline) {
        state = .pinged(now)
        ping()
        look(at: now.advanced(by: tuning.suspectAfter))
    }

    private func look(at deadline: Deadline) {
        timer = loop.schedule(at: deadline) { [weak self] in self?.check() }
    }

    private func stopTimer() {
        if let timer { loop.cancel(timer) }
        timer = nil
    }

    private func check() {
        timer = nil
        let now = Deadline.now()
        switch state {
        case .trusted:
            guard let silence else { return }
            let due = lastHeard.advanced(by: silence)
            if due <= now { ask(now) } else { look(at: due) }
        case .pinged(let asked):
            state = .suspect(asked)
            look(at: asked.advanced(by: tuning.deadAfter))
            suspected()
        case .suspect: died()
        }
    }
}
