package import ApusCore

/// How the bytes of a response's body came over time: the longest silence of the peer, and how much
/// came at the very end.
///
/// Two checkpoints are kept, whatever the length of the body. Without clock.
package struct DeliveryFigures: Sendable {
    /// So many bytes had come at this instant.
    private struct Checkpoint {
        var time: Deadline
        var bytes: UInt64
    }

    /// A new checkpoint is made when so much of the time has passed since the last one, as a
    /// fraction of the time until then: 1/19 makes the last one 95 % old.
    private static let step: Int64 = 19

    private let start: Deadline
    private var bytes: UInt64 = 0
    /// When the last piece came.
    private var last: Deadline
    /// The last instant at which a byte came, or from which on the next one was awaited.
    package private(set) var lastSign: Deadline?
    /// The longest time between two pieces in which the next one was awaited.
    package private(set) var longestSilence = Duration.zero
    private var older: Checkpoint
    private var newer: Checkpoint

    /// - Parameter start: when the exchange had its connection.
    package init(start: Deadline) {
        self.start = start
        last = start
        older = Checkpoint(time: start, bytes: 0)
        newer = older
    }

    /// A piece has come.
    ///
    /// - Parameter isAwaited: whether the consumer had taken everything before it.
    package mutating func received(_ count: Int, isAwaited: Bool, now: Deadline) {
        if isAwaited, let lastSign {
            longestSilence = max(longestSilence, now.since(lastSign))
        }
        lastSign = now
        last = now
        bytes += UInt64(count)
        if now.since(newer.time).nanoseconds > newer.time.since(start).nanoseconds / Self.step {
            older = newer
            newer = Checkpoint(time: now, bytes: bytes)
        }
    }

    /// The consumer has taken everything: from now on the next piece is awaited.
    package mutating func awaited(now: Deadline) {
        lastSign = now
    }

    /// The bytes that came in the last twentieth of the time until `end`, or up to a tenth of it:
    /// as exact as two checkpoints are.
    package func bytesAtEnd(_ end: Deadline) -> UInt64 {
        let twentieth = end.since(start).nanoseconds / (Self.step + 1)
        func isOld(_ time: Deadline) -> Bool { end.since(time).nanoseconds >= twentieth }
        guard !isOld(last) else { return 0 }
        return bytes - (isOld(newer.time) ? newer : older).bytes
    }
}
