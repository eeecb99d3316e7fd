import ApusCore
import ApusSocket

/// How a wire watches its peer's window.
struct WireWindowWatch {
    /// Looks at the window while something waits for it.
    var timer: LoopTimer?
    /// Whether the socket's `dial.userTimeout` is off for now.
    var isLifted = false
}

// A peer that is alive and reads nothing: its window is closed, and its system answers each probe.
//
// Linux counts the time of such probing against TCP_USER_TIMEOUT too, as if nothing had been
// acknowledged. So the option is lifted for as long as the window is closed.
extension Wire {
    /// A write of fewer bytes does not fill a window.
    private static let leastWatched = 16 * 1024
    /// The longest pause between two probes of a closed window (TCP_RTO_MAX).
    private static let longestProbePause = Duration.seconds(120)

    /// So many bytes were written, or none because the socket is full.
    func watchWindow(written count: Int) {
        guard windowWatch.timer == nil, count == 0 || count >= Wire.leastWatched else { return }
        lookAtWindowLater()
    }

    func stopWatchingWindow() {
        if let timer = windowWatch.timer { loop.cancel(timer) }
        windowWatch.timer = nil
    }

    /// Often enough to be in time before the option ends the connection.
    private func lookAtWindowLater() {
        guard let timeout = socket?.userTimeout else { return }
        windowWatch.timer = loop.schedule(at: .now().advanced(by: timeout / 4)) { [weak self] in
            self?.lookAtWindow()
        }
    }

    private func lookAtWindow() {
        windowWatch.timer = nil
        guard let socket, let timeout = socket.userTimeout, let state = socket.sendState else {
            return
        }
        switch state {
        case .empty: return lift(false)
        case .underWay: lift(false)
        // A peer that answers no probe is gone: the option ends the connection then.
        case .held(let silence): lift(silence < timeout + Wire.longestProbePause)
        }
        lookAtWindowLater()
    }

    private func lift(_ isLifted: Bool) {
        guard isLifted != windowWatch.isLifted else { return }
        windowWatch.isLifted = isLifted
        socket?.liftUserTimeout(isLifted)
    }
}
