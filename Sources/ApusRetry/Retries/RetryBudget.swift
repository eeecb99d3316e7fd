import Synchronization

/// A bound on how many tries a transport adds to its requests, over all of them.
///
/// A peer that fails under load must not get several times its load from tries. Each request
/// deposits a part of a token, time deposits some more, and each further try takes a whole token;
/// without one, the last answer or error is returned at once. The tokens start at `burst` and never
/// exceed it. Several transports may share a budget.
public final class RetryBudget: Sendable {
    private let tokens: Mutex<RetryTokens>

    /// Creates a budget; values below zero count as zero.
    ///
    /// - Parameters:
    ///   - ratio: the further tries for each request, in the long run; 0.2 by default.
    ///   - perSecond: the further tries for each second without requests; 10 by default.
    ///   - burst: the most tokens that are kept; 100 by default.
    public init(ratio: Double = 0.2, perSecond: Double = 10, burst: Double = 100) {
        tokens = Mutex(RetryTokens(ratio: ratio, perSecond: perSecond, burst: burst))
    }

    /// The tokens that are left, without those that time has added since the last use.
    public var balance: Double { tokens.withLock(\.balance) }

    func deposit() {
        tokens.withLock { $0.requestStarted() }
    }

    func withdraw(now: ContinuousClock.Instant) -> Bool {
        tokens.withLock { $0.withdraw(now: now) }
    }
}

/// The token bucket of a retry budget, without its lock.
package struct RetryTokens: Sendable {
    /// The tokens left.
    ///
    /// Invariant: between 0 and `burst`.
    package private(set) var balance: Double
    private let ratio: Double
    private let perSecond: Double
    private let burst: Double
    /// When time last added tokens; `nil` before the first withdrawal.
    private var refilled: ContinuousClock.Instant?

    package init(ratio: Double, perSecond: Double, burst: Double) {
        self.ratio = max(0, ratio)
        self.perSecond = max(0, perSecond)
        self.burst = max(0, burst)
        balance = self.burst
    }

    /// Adds a request's part of a token.
    package mutating func requestStarted() {
        balance = min(burst, balance + ratio)
    }

    /// Takes a token for a further try.
    ///
    /// - Returns: whether there was one.
    package mutating func withdraw(now: ContinuousClock.Instant) -> Bool {
        if let refilled, now > refilled {
            balance = min(burst, balance + (now - refilled) / .seconds(1) * perSecond)
        }
        // The clock of a test may go back; the same time must not be credited twice.
        refilled = max(now, refilled ?? now)
        guard balance >= 1 else { return false }
        balance -= 1
        return true
    }
}
