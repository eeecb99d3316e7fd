/// The priority of a request among others to the same peer, which may ignore it (RFC 9218).
public struct RequestPriority: Sendable, Hashable {
    /// The urgency, from 0, the most urgent, to 7, for background work.
    ///
    /// Default 3, which is also the urgency of a request without a priority.
    public var urgency: Int
    /// Whether parts of the response are useful before its end, so that it may share the connection
    /// with responses of the same urgency.
    ///
    /// Default `false`.
    public var isIncremental: Bool

    /// Creates a priority; an urgency out of range fails the request.
    public init(urgency: Int = 3, isIncremental: Bool = false) {
        self.urgency = urgency
        self.isIncremental = isIncremental
    }

    /// The value of the `Priority` field, without parameters that equal their default (RFC 9218,
    /// section 4).
    package func fieldValue() throws(InvalidRequest) -> String {
        guard (0...7).contains(urgency) else {
            throw InvalidRequest(field: "priority", reason: "urgency \(urgency) is not in 0...7")
        }
        return switch (urgency == 3, isIncremental) {
        case (true, false): "u=3"
        case (true, true): "i"
        case (false, false): "u=\(urgency)"
        case (false, true): "u=\(urgency), i"
        }
    }
}
