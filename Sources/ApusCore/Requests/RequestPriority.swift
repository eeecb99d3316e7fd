/// How urgent a request is beside others to the same peer, which heeds it or not (RFC 9218).
public struct RequestPriority: Sendable, Hashable {
    /// From 0, the most urgent, to 7, what nobody waits for.
    ///
    /// Default 3, which is what a request without a priority has.
    public var urgency: Int
    /// Whether parts of the answer are of use before its end, so that it may share the connection
    /// with others of its urgency.
    ///
    /// Default `false`.
    public var isIncremental: Bool

    public init(urgency: Int = 3, isIncremental: Bool = false) {
        self.urgency = urgency
        self.isIncremental = isIncremental
    }

    /// The value of the `Priority` field; parameters that say what is the default stay out of it
    /// (RFC 9218, section 4).
    package func fieldValue() throws(InvalidRequest) -> String {
        guard (0...7).contains(urgency) else {
            throw InvalidRequest(field: "priority", reason: "\(urgency) is no urgency from 0 to 7")
        }
        return switch (urgency == 3, isIncremental) {
        case (true, false): "u=3"
        case (true, true): "i"
        case (false, false): "u=\(urgency)"
        case (false, true): "u=\(urgency), i"
        }
    }
}
