import ApusCore
import ApusSocket

/// Finds out whether a silent HTTP/2 connection with open streams is alive: one PING at a time.
///
/// Confined to its connection's loop. A dead connection behind a NAT looks like a quiet one; only
/// an unanswered PING tells them apart.
final class HTTP2Liveness: @unchecked Sendable {
    private let tuning: EngineTuning.HTTP2
    private let loop: EventLoop
    private var lastHeard = Deadline.now()
    private var pinged: Deadline?
    private var timer: LoopTimer?
    /// Sends a PING.
    var ping: () -> Void = {}
    /// The connection is dead.
    var died: () -> Void = {}

    init(_ tuning: EngineTuning.HTTP2, on loop: EventLoop) {
        self.tuning = tuning
        self.loop = loop
    }

    func bytesReceived(now: Deadline) {
        lastHeard = now
    }

    func pingAcknowledged() {
        pinged = nil
    }

    /// The first stream was opened: from now on silence counts.
    func streamsOpened() {
        guard let silence = tuning.pingAfter, timer == nil else { return }
        lastHeard = .now()
        look(at: lastHeard.advanced(by: silence))
    }

    /// No stream is open: silence is all right.
    func streamsClosed() {
        if let timer { loop.cancel(timer) }
        timer = nil
        pinged = nil
    }

    private func look(at deadline: Deadline) {
        timer = loop.schedule(at: deadline) { [weak self] in self?.check() }
    }

    private func check() {
        guard let silence = tuning.pingAfter else { return }
        timer = nil
        let now = Deadline.now()
        if let pinged, lastHeard < pinged {
            guard now < pinged.advanced(by: tuning.deadAfter) else { return died() }
            return look(at: pinged.advanced(by: tuning.deadAfter))
        }
        pinged = nil
        let due = lastHeard.advanced(by: silence)
        guard due <= now else { return look(at: due) }
        pinged = now
        ping()
        look(at: now.advanced(by: tuning.deadAfter))
    }
}
