package import ApusCore

/// Judges how long each wait of an exchange on its connection lasts: for the peer to take the
/// request, for the head after it, for the body's first byte, and the silence within the body.
///
/// It is asked by a timer that looks at the exchange from time to time, so a request without these
/// limits pays nothing, and one with them pays nothing for each piece. Without clock or timer.
package struct ExchangeWatch: Sendable {
    /// The limits of the waits; none of them all is no watch.
    package struct Limits: Sendable, Hashable {
        package let writeIdle: Duration?
        package let response: Duration?
        package let firstByte: Duration?
        package let readIdle: Duration?
        /// The silence that is reported.
        package let notice: Duration?

        /// `nil` when all of them are.
        package init?(
            writeIdle: Duration? = nil, response: Duration? = nil, firstByte: Duration? = nil,
            readIdle: Duration? = nil, notice: Duration? = nil
        ) {
            self.writeIdle = writeIdle
            self.response = response
            self.firstByte = firstByte
            self.readIdle = readIdle
            self.notice = notice
            guard writeIdle != nil || response != nil || firstByte != nil || watchesBody else {
                return nil
            }
        }

        /// Whether a limit asks since when the body's next byte is awaited.
        var watchesBody: Bool { readIdle != nil || notice != nil }

        fileprivate var shortest: Duration? {
            [writeIdle, response, firstByte, readIdle, notice].compactMap { $0 }.min()
        }

        /// The limit of a wait, and the wait that its end is reported as.
        fileprivate func limit(of wait: ExchangeWait) -> (wait: ExchangeWait, Duration)? {
            let limit =
                switch wait {
                case .writeIdle: writeIdle
                case .response: response
                case .firstByte: firstByte
                case .readIdle: readIdle
                default: Duration?.none
                }
            if let limit { return (wait, limit) }
            // The wait for the first byte is also a silence.
            return wait == .firstByte ? readIdle.map { (.readIdle, $0) } : nil
        }
    }

    /// What a look at the exchange finds.
    package struct Findings: Sendable {
        /// When the request's last byte was given to the connection; `nil` before that.
        package var sent: Deadline?
        /// Bytes of the request that the peer's side has taken, in any unit that grows with them.
        package var taken: UInt64 = 0
        /// Whether there are others that are ready to leave and not taken.
        package var isBlocked = false
        /// When the final head came; `nil` before that.
        package var head: Deadline?
        /// When the body's first byte came; `nil` before that.
        package var firstByte: Deadline?
        /// Since when the body's next byte is awaited; `nil` while the consumer has something.
        package var bodyAwaited: Deadline?

        package init(
            sent: Deadline? = nil, taken: UInt64 = 0, isBlocked: Bool = false,
            head: Deadline? = nil, firstByte: Deadline? = nil, bodyAwaited: Deadline? = nil
        ) {
            self.sent = sent
            self.taken = taken
            self.isBlocked = isBlocked
            self.head = head
            self.firstByte = firstByte
            self.bodyAwaited = bodyAwaited
        }
    }

    /// What the waits amount to.
    package struct Verdict: Sendable, Hashable {
        /// The wait whose limit is over; `nil` while all are in time.
        package var over: ExchangeWait?
        /// A silence that is to be reported, and how long it has lasted.
        package var stalled: Stall?
        /// When to look again.
        package var nextLook: Deadline
    }

    /// A silence.
    package struct Stall: Sendable, Hashable {
        package let wait: ExchangeWait
        package let silence: Duration
    }

    private let limits: Limits
    /// The longest time between two looks.
    private let step: Duration
    /// When the peer last took bytes, as far as looks show.
    private var lastTaken: Deadline
    private var taken: UInt64 = 0
    private var wasBlocked = false
    /// When bytes of the request were last seen that the peer had not taken.
    private var lastBlocked: Deadline?
    /// The beginning of the silence that was reported last.
    private var reported: (wait: ExchangeWait, since: Deadline)?

    /// The request begins to leave at `now`.
    package init(_ limits: Limits, now: Deadline) {
        self.limits = limits
        let shortest = limits.shortest ?? .seconds(1)
        let blocked = [limits.writeIdle, limits.notice].compactMap { $0 }.min()
        // What the peer takes is seen by looks alone; the rest has instants of its own.
        step = max(.milliseconds(1), min(shortest, blocked.map { $0 / 4 } ?? shortest))
        lastTaken = now
    }

    /// When to look first.
    package var firstLook: Deadline { lastTaken.advanced(by: step) }

    /// Judges what was found.
    package mutating func look(_ findings: Findings, now: Deadline) -> Verdict {
        if findings.taken != taken || !wasBlocked { lastTaken = now }
        taken = findings.taken
        wasBlocked = findings.isBlocked
        if wasBlocked { lastBlocked = now }
        var verdict = Verdict(nextLook: now.advanced(by: step))
        guard let (wait, since) = current(findings) else { return verdict }
        let silence = now.since(since)
        if let (limited, limit) = limits.limit(of: wait) {
            if silence >= limit {
                verdict.over = limited
                return verdict
            }
            verdict.nextLook = min(verdict.nextLook, since.advanced(by: limit))
        }
        if let notice = limits.notice, reported.map({ $0 != (wait, since) }) ?? true {
            if silence >= notice {
                reported = (wait, since)
                verdict.stalled = Stall(wait: wait, silence: silence)
            } else {
                verdict.nextLook = min(verdict.nextLook, since.advanced(by: notice))
            }
        }
        return verdict
    }

    /// The wait that goes on, and its beginning; `nil` while the peer owes nothing.
    private func current(_ findings: Findings) -> (wait: ExchangeWait, since: Deadline)? {
        if let head = findings.head {
            if findings.firstByte == nil { return (.firstByte, head) }
            return findings.bodyAwaited.map { (.readIdle, $0) }
        }
        if findings.isBlocked { return (.writeIdle, lastTaken) }
        // The last byte leaves later than it is given where the peer takes nothing.
        return findings.sent.map { (.response, max($0, lastBlocked ?? $0)) }
    }
}
