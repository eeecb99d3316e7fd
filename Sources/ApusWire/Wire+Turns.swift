import ApusSocket

// How a wire that has much to do lets others on its loop have their turn.
extension Wire {
    /// What one read gave.
    package enum ReadOutcome {
        /// Some bytes were delivered; there may be more.
        case progress
        /// Nothing more now.
        case wouldBlock
        /// The peer ended its side in good order: with close_notify where there is TLS.
        case end
    }

    /// What is sent in a row before others on the loop have their turn.
    package static let maxSentInRow: UInt64 = 1024 * 1024

    /// Has the owner read on in the loop's next tick: others on the loop have their turn before.
    package func readLater() {
        guard !isReadPlanned else { return }
        isReadPlanned = true
        loop.execute { [self] in
            isReadPlanned = false
            owner?.wireReadable()
        }
    }

    /// A window has opened; its owner hears of it once it has read.
    func tellWhenWritable() {
        if isWritable { writeLater() }
    }

    /// Has the owner send on in the loop's next tick: others on the loop have their turn before.
    package func writeLater() {
        guard !isWritePlanned else { return }
        isWritePlanned = true
        loop.execute { [self] in
            isWritePlanned = false
            if isWritable { owner?.wireWritable() }
        }
    }
}
