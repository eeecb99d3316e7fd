import ApusCore
import ApusSocket

/// How far a wire has read before its owner did.
struct WireReadingAhead {
    /// A read of the wire's own is going on, which delivers nothing.
    var isReading = false
    /// A turn of the loop is scheduled for the next.
    var isScheduled = false
    /// The owner's reads so far, and how many there were when the turn was scheduled.
    var reads: UInt64 = 0
    var readsBefore: UInt64 = 0
    /// The socket's own end has come; the owner's read meets it again.
    var hasSocketEnded = false
    /// A layer's end has come, which the owner has not heard of.
    var hasEnded = false
    /// What went wrong, of which the owner has not heard.
    var fault: WireError?
}

// Reading while the owner does not: what an HTTP/2 proxy asks must be answered, however slow the
// one that consumes a tunnel's bytes is. Those are held by the tunnel, within its stream's window.
extension Wire {
    /// The place of the topmost tunnel among the layers.
    var lastTunnel: Int? {
        layers.lastIndex { if case .tunnel = $0 { true } else { false } }
    }

    /// Whether something was read ahead that the owner has not read.
    var isHolding: Bool {
        guard let tunnel = tunnels.last else { return false }
        return tunnel.isHolding || ahead.hasEnded || ahead.fault != nil
    }

    /// Gives what was read ahead, in the order in which it came.
    func takeHeld(_ deliver: (RawSpan) -> Void) throws(WireError) -> ReadOutcome {
        if let tunnel = tunnels.last, tunnel.isHolding, let index = lastTunnel {
            return try lift(RawSpan(), through: index, deliver) ? .end : .progress
        }
        if let fault = ahead.fault {
            ahead.fault = nil
            throw fault
        }
        ahead.hasEnded = false
        return .end
    }

    /// Reads on in the loop's next turn, unless the owner reads in this one.
    func readAheadIfNobodyReads() {
        guard !tunnels.isEmpty, isReady, isOpen, !ahead.isScheduled, !ahead.hasSocketEnded,
            ahead.fault == nil
        else { return }
        ahead.isScheduled = true
        ahead.readsBefore = ahead.reads
        // In two steps, so that an owner which goes on reading in its next turn comes first.
        loop.execute { [weak self] in
            self?.loop.execute { [weak self] in self?.readAhead() }
        }
    }

    private func readAhead() {
        ahead.isScheduled = false
        defer { readAheadIfNobodyReads() }
        guard ahead.readsBefore == ahead.reads, isReady, isOpen else { return }
        ahead.isReading = true
        defer { ahead.isReading = false }
        do throws(WireError) {
            guard try readSocket({ _ in }) == .end else { return }
            // The socket's end follows the end of any layer below the tunnel.
            ahead.hasSocketEnded = true
            isReady = true
        } catch {
            ahead.fault = error
        }
    }
}
