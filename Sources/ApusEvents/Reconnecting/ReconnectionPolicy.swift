import Apus

/// When an event stream that has ended is opened again.
public struct ReconnectionPolicy: Sendable, Hashable {
    /// The time before the stream is opened again, until the server sends another by `retry`;
    /// 3 s by default.
    public var initialTime = Duration.seconds(3)
    /// The longest time between two connections, before jitter, whatever the server sends; 60 s by
    /// default.
    public var maxTime = Duration.seconds(60)
    /// A random part of the time that is added to it, from 0 to this fraction; 0.2 by default.
    ///
    /// So clients that lost a server at the same time do not return at the same time.
    public var jitter = 0.2
    /// How many connections in a row may end without an event before the sequence fails; 10 by
    /// default.
    ///
    /// With each of them the time doubles, up to `maxTime`.
    public var maxFailures = 10

    /// Creates the default policy.
    public init() {}
}

/// Decides how long to wait before an event stream is opened again, or to give up.
package struct ReconnectionMachine: Sendable {
    private let policy: ReconnectionPolicy
    /// Connections in a row that ended without an event.
    package private(set) var failures = 0
    /// The time without failures: the policy's or the server's.
    private var time: Duration
    /// Whether the current connection has delivered an event.
    private var hasEvent = false

    package init(_ policy: ReconnectionPolicy) {
        self.policy = policy
        time = policy.initialTime
    }

    /// An event has arrived, so the connection is no failure.
    package mutating func eventReceived() {
        hasEvent = true
    }

    /// The server has sent a reconnection time.
    package mutating func retryReceived(_ time: Duration) {
        self.time = time
    }

    /// The connection has ended, or it could not be made.
    ///
    /// - Parameter random: a number from 0 up to 1.
    /// - Returns: the time to wait; `nil` to give up.
    package mutating func connectionEnded(random: Double) -> Duration? {
        failures = hasEvent ? 0 : failures + 1
        hasEvent = false
        guard failures <= policy.maxFailures else { return nil }
        let wait = time.doubled(failures - 1, upTo: policy.maxTime)
        return wait + wait * (min(max(0, random), 1) * max(0, policy.jitter))
    }
}
