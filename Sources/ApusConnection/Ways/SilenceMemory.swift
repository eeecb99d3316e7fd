package import ApusCore

/// How long a way lets a connection that carries an exchange be silent in both directions.
package struct SilenceLimit: Sendable, Hashable {
    package let silence: Duration
    /// How many connections were cut after about that silence.
    package let count: Int
}

/// What the cuts of one way's connections show of the silence that it allows.
///
/// Two cuts after about the same silence, the second of which began after the first cut, set the
/// limit. A far shorter silence shows nothing, unless it is met twice too: then the limit has
/// changed. A far longer one shows that there is no such limit.
package struct SilenceMemory: Sendable {
    /// A shorter silence shows nothing.
    static let shortest = Duration.seconds(1)

    /// How much later than its begin a silence may be measured to have begun.
    static let precision = Duration.milliseconds(100)

    private var known: SilenceLimit?
    /// The last cut that agrees with nothing before it.
    private var candidate: Duration?
    /// When the last cut was that agreed with the limit.
    private var confirmed: Deadline?
    /// When the last cut was that counted at all.
    private var last: Deadline?

    package init() {}

    /// What two cuts have shown, if the last of them still counts.
    package func limit(now: Deadline) -> SilenceLimit? {
        confirmed.map { now < $0.advanced(by: WayMemory.memory) } == true ? known : nil
    }

    /// A connection with an open exchange was cut after this silence.
    ///
    /// - Returns: the limit, when the cut agrees with it.
    package mutating func wasCut(after silence: Duration, now: Deadline) -> SilenceLimit? {
        guard silence >= Self.shortest else { return nil }
        if limit(now: now) == nil { known = nil }
        // What ends several connections at once is one cut.
        if let last, now.since(last) + Self.precision < silence {
            return known.flatMap { silence.isAbout($0.silence) ? $0 : nil }
        }
        if let last, last.advanced(by: WayMemory.memory) <= now { candidate = nil }
        last = now
        outlived(silence)
        if let limit = known, silence.isAbout(limit.silence) {
            return confirm(limit.silence, limit.count + 1, now)
        }
        if let candidate, silence.isAbout(candidate) {
            return confirm(min(silence, candidate), 2, now)
        }
        candidate = silence
        return nil
    }

    private mutating func confirm(
        _ silence: Duration, _ count: Int, _ now: Deadline
    ) -> SilenceLimit {
        let limit = SilenceLimit(silence: silence, count: count)
        known = limit
        candidate = nil
        confirmed = now
        return limit
    }

    /// A connection has outlived this silence.
    package mutating func outlived(_ silence: Duration) {
        if let limit = known, silence > limit.silence, !silence.isAbout(limit.silence) {
            known = nil
        }
        if let candidate, silence > candidate, !silence.isAbout(candidate) {
            self.candidate = nil
        }
    }
}

extension Duration {
    /// Whether two silences are of one length: within a tenth of the longer one or, where that is
    /// more, within a second and a quarter of it.
    func isAbout(_ other: Duration) -> Bool {
        let longer = max(self, other)
        return longer - min(self, other) <= max(longer / 10, min(.seconds(1), longer / 4))
    }
}
