import Apus

/// How a rotation chooses, and which outcomes put a choice aside for a while.
public struct RotationPolicy: Sendable, Hashable {
    /// In which order the choices are used.
    public enum Order: String, Sendable, Hashable, Codable {
        /// Each request begins with the choice after the one that began the request before.
        case roundRobin
        /// Each request begins with the first choice that is not put aside.
        case firstHealthy
    }

    /// What a request does while each choice is put aside.
    public enum Exhaustion: String, Sendable, Hashable, Codable {
        /// It uses the choice whose pause ends first.
        case useSoonest
        /// It fails at once with an error of kind `overloaded`.
        case fail
    }

    /// The order; `roundRobin` by default.
    public var order = Order.roundRobin
    /// The most choices that one request tries; 3 by default, at least 1, at most 100.
    public var limit = 3
    /// What a request does while each choice is put aside; `useSoonest` by default.
    public var exhaustion = Exhaustion.useSoonest
    /// Statuses that put a choice aside until the instant of `Retry-After`, or for `pause` without
    /// that field; 429 and 529 by default.
    public var limited: Set<Int> = [429, 529]
    /// Statuses that put a choice aside for `refusalPause`; 401 and 403 by default.
    public var refused: Set<Int> = [401, 403]
    /// The pause after a first failure; 1 s by default.
    ///
    /// It doubles with each further failure in a row, up to `maxPause`.
    public var pause = Duration.seconds(1)
    /// The longest pause without `Retry-After`; 60 s by default.
    public var maxPause = Duration.seconds(60)
    /// The pause after a status in `refused`; 5 min by default.
    public var refusalPause = Duration.seconds(300)
    /// The longest pause that a `Retry-After` can cause; 1 h by default.
    public var maxRetryAfter = Duration.seconds(3600)

    /// Creates the default policy.
    public init() {}

    /// The most choices that a request tries, within their limits.
    package var tries: Int { min(max(1, limit), RotationPolicy.maxTries) }

    /// The most choices that a policy can ask for.
    package static let maxTries = 100

    /// The pause after `failures` failures in a row.
    package func pause(after failures: Int) -> Duration {
        pause.doubled(failures - 1, upTo: maxPause)
    }
}
