package import ApusCore

/// How the bytes of a response's body came over time: the longest silence of the peer, and how much
/// came at the very end.
///
/// Two checkpoints are kept, whatever the length of the body. In nanoseconds of the clock, since
/// `Duration` has 128 bits and each piece is counted. Without clock.
package struct DeliveryFigures: Sendable {
    /// So many bytes had come at this instant.
    private struct Checkpoint {
        var time: Int64
        var bytes: UInt64
    }

    /// A new checkpoint is made when so much of the time has passed since the last one, as a
    /// fraction of the time until then: 1/19 makes the last one 95 % old.
    private static let step: Int64 = 19

    private let start: Int64
    private var bytes: UInt64 = 0
    /// When the last piece came.
    private var last: Int64
    /// When a byte last came, or from which on the next one was awaited; 0 before the first.
    private var sign: Int64 = 0
    private var longest: Int64 = 0
    private var older: Checkpoint
    private var newer: Checkpoint

    /// - Parameter start: when the exchange had its connection.
    package init(start: Deadline) {
        self.start = start.nanoseconds
        last = self.start
        older = Checkpoint(time: self.start, bytes: 0)
        newer = older
    }

    /// A piece has come.
    ///
    /// - Parameter isAwaited: whether the consumer had taken everything before it.
    package mutating func received(_ count: Int, isAwaited: Bool, now: Deadline) {
        let now = now.nanoseconds
        if isAwaited, sign != 0 { longest = max(longest, now &- sign) }
        sign = now
        last = now
        bytes &+= UInt64(truncatingIfNeeded: count)
        if (now &- newer.time) &* Self.step > newer.time &- start {
            older = newer
            newer = Checkpoint(time: now, bytes: bytes)
        }
    }

    /// The consumer has taken everything: from now on the next piece is awaited.
    package mutating func awaited(now: Deadline) {
        sign = now.nanoseconds
    }

    /// The last instant at which a byte came, or from which on the next one was awaited; `nil`
    /// before the first byte.
    package var lastSign: Deadline? { sign == 0 ? nil : Deadline(nanoseconds: sign) }

    /// The longest time between two pieces in which the next one was awaited.
    package var longestSilence: Duration { .nanoseconds(longest) }

    /// The bytes that came in the last twentieth of the time until `end`, or up to a tenth of it:
    /// as exact as two checkpoints are.
    package func bytesAtEnd(_ end: Deadline) -> UInt64 {
        let end = end.nanoseconds
        func isOld(_ time: Int64) -> Bool { end &- time >= (end &- start) / (Self.step + 1) }
        guard !isOld(last) else { return 0 }
        return bytes - (isOld(newer.time) ? newer : older).bytes
    }
}
