/// Names one caller who waits for a connection; never given twice.
package struct WaiterID: Sendable, Hashable, CustomStringConvertible {
    package let rawValue: UInt64

    init(slot: Int, generation: UInt64) {
        rawValue = generation << SlotName.bits | UInt64(slot)
    }

    var slot: Int { Int(rawValue & SlotName.mask) }
    var generation: UInt64 { rawValue >> SlotName.bits }

    /// Slot and generation, as in "7.1".
    package var description: String { "\(slot).\(generation)" }
}

/// How slot and generation share 64 bits: 16 million at once, a trillion one after another.
private enum SlotName {
    static let bits: UInt64 = 24
    static let mask: UInt64 = 1 << bits - 1
}

/// What a lease may be served with.
package enum Reuse: Sendable, Hashable {
    /// Whatever the route has; afterwards the connection returns to the pool.
    case pooled
    /// A connection dialled for this exchange; afterwards it joins the pool.
    case fresh
    /// A connection dialled for this exchange, closed after it and never shared.
    case oneShot
}
