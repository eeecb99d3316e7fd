import ApusCore
import ApusSocket

// What the streams report to the pool.

extension HTTP2LiveConnection {
    /// An exchange has left the connection: its slot is free.
    nonisolated func slotFreed() {
        keeper.released(self, at: .now())
    }

    /// Bodies wait for the peer's window, of this size, for too long; `nil`: they no longer do.
    nonisolated func congestionChanged(window: Int?) {
        keeper.congestionChanged(self, window: window)
    }
}
