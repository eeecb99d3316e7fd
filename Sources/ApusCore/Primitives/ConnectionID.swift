/// Names one connection, from the start of its dial to its end; never given twice.
///
/// Beside its number it holds its place in the pool, so that finding a connection is an array
/// access; the number at that place shows whether a report about it comes too late.
package struct ConnectionID: Sendable, Hashable, CustomStringConvertible {
    /// Its number in its engine: dials are counted from 1.
    package let rawValue: UInt64
    package let slot: Int

    package init(slot: Int, number: UInt64) {
        self.slot = slot
        rawValue = number
    }

    package static func == (left: ConnectionID, right: ConnectionID) -> Bool {
        left.rawValue == right.rawValue
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(rawValue)
    }

    /// The number, as in "7".
    package var description: String { "\(rawValue)" }
}
