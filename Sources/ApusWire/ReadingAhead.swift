/// How far a wire has read before its owner did, and when it may read on.
///
/// What an HTTP/2 proxy asks must be answered, however slow the consumer of a tunnel's bytes is. So
/// the wire reads on while its owner does not, as far as the last tunnel. The tunnel holds its own
/// bytes, within its stream's window; this holds what ended the reading.
struct ReadingAhead {
    /// Whether a read of the wire's own goes on, which delivers nothing.
    private(set) var isReading = false
    /// Whether a turn of the loop is planned for the next read.
    private var isPlanned = false
    /// The owner's reads so far, and how many there were when the turn was planned.
    private var ownerReads: UInt64 = 0
    private var ownerReadsBefore: UInt64 = 0
    /// Whether the socket's own end has come; the owner's read meets it again.
    private var hasSocketEnded = false
    /// Whether a layer's end has come that was not reported to the owner.
    private var hasEnded = false
    /// What went wrong and was not reported to the owner.
    private var fault: WireError?

    /// Whether there is an end or a fault to report to the owner.
    var isHolding: Bool { hasEnded || fault != nil }

    /// The owner reads itself.
    mutating func ownerReadsOn() {
        ownerReads += 1
    }

    /// A tunnel was put on top; `hasEnded` when its end has come, after bytes that are still to be
    /// read.
    mutating func tunnelAdded(hasEnded: Bool) {
        self.hasEnded = hasEnded
    }

    /// Takes the fault, to report it to the owner; without one it is the end that is reported.
    mutating func takeFault() -> WireError? {
        if fault == nil { hasEnded = false }
        return fault.take()
    }

    /// Plans the next read; `false` when it is planned already, or there is nothing more to read.
    mutating func plan() -> Bool {
        guard !isPlanned, !hasSocketEnded, fault == nil else { return false }
        isPlanned = true
        ownerReadsBefore = ownerReads
        return true
    }

    /// The planned turn has come; `false` when the owner has read itself in the meantime.
    mutating func turnHasCome() -> Bool {
        isPlanned = false
        return ownerReadsBefore == ownerReads
    }

    /// A read of the wire's own begins.
    mutating func began() {
        isReading = true
    }

    /// That read is over, and the socket's end has come when `hasEnded`.
    ///
    /// The socket's end follows the end of any layer below the tunnel.
    mutating func finished(atEnd hasEnded: Bool) {
        isReading = false
        if hasEnded { hasSocketEnded = true }
    }

    /// That read has failed.
    mutating func failed(_ error: WireError) {
        isReading = false
        fault = error
    }
}
