/// A request that cannot be sent as it is, found before any connection was dialled.
public struct InvalidRequest: Error, Sendable, Hashable, CustomStringConvertible {
    /// The part at fault: "url", "host", "port", "method", a field's name.
    public let field: String
    /// What is wrong with it; never its value, which may be secret.
    public let reason: String

    /// Creates an error that names the part at fault.
    public init(field: String, reason: String) {
        self.field = field
        self.reason = reason
    }

    /// The part and the reason, as in "port: 0 is not in 1...65535".
    public var description: String { "\(field): \(reason)" }
}
