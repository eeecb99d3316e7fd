package import ApusCore

/// Notices that a connection outlives a silence that its way was thought not to allow.
package struct SilenceGauge: Sendable {
    private let limit: Duration
    /// When bytes last left or came, as far as that was seen.
    private var last: Deadline
    /// How many had left by then.
    private var sentCount: UInt64 = 0

    package init(_ limit: Duration, now: Deadline) {
        self.limit = limit
        last = now
    }

    /// So many bytes have left.
    package mutating func sent(_ count: UInt64, now: Deadline) {
        guard count != sentCount else { return }
        sentCount = count
        last = now
    }

    /// Bytes have come, when so many had left.
    ///
    /// - Returns: the silence before them, where it was longer than the limit.
    package mutating func received(sent count: UInt64, now: Deadline) -> Duration? {
        // Something left in between, of which the instant is not known.
        let silence = count == sentCount ? now.since(last) : .zero
        sentCount = count
        last = now
        return silence > limit ? silence : nil
    }
}
