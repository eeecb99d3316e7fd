import ApusCore
import ApusSocket

/// Watches the window of a peer that is alive and reads nothing: its window is closed, and its
/// system answers each probe.
///
/// Linux counts the time of such probing against TCP_USER_TIMEOUT too, as if nothing had been
/// acknowledged. So `dial.userTimeout` is lifted for as long as the window is closed.
///
/// Confined to the socket's loop.
final class WindowWatch {
    /// A write of fewer bytes does not fill a window.
    private static let leastWatched = 16 * 1024
    /// The longest pause between two probes of a closed window (TCP_RTO_MAX).
    private static let longestProbePause = Duration.seconds(120)

    private let socket: StreamSocket
    private let loop: EventLoop
    /// Looks at the window while something waits for it.
    private var timer: LoopTimer?
    /// Whether the socket's option is off for now.
    private var isLifted = false

    init(_ socket: StreamSocket, on loop: EventLoop) {
        self.socket = socket
        self.loop = loop
    }

    /// Whether a write of so many bytes may fill the window, or has found the socket full.
    static func isWanted(after count: Int) -> Bool {
        count == 0 || count >= leastWatched
    }

    /// Begins to look at the window, unless it does already.
    func start() {
        if timer == nil { lookLater() }
    }

    /// Stops looking.
    func stop() {
        if let timer { loop.cancel(timer) }
        timer = nil
    }

    /// Often enough to be in time before the option ends the connection.
    private func lookLater() {
        guard let timeout = socket.userTimeout else { return }
        timer = loop.schedule(at: .now().advanced(by: timeout / 4)) { [weak self] in
            self?.look()
        }
    }

    private func look() {
        timer = nil
        guard let timeout = socket.userTimeout, let state = socket.sendState else { return }
        switch state {
        case .empty: return lift(false)
        case .underWay: lift(false)
        // A peer that answers no probe is gone: the option ends the connection then.
        case .held(let silence): lift(silence < timeout + WindowWatch.longestProbePause)
        }
        lookLater()
    }

    private func lift(_ isLifted: Bool) {
        guard isLifted != self.isLifted else { return }
        self.isLifted = isLifted
        socket.liftUserTimeout(isLifted)
    }
}
