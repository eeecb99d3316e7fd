/// A request that cannot be sent as it stands, found before anything was dialled.
public struct InvalidRequest: Error, Sendable, Hashable, CustomStringConvertible {
    /// The part at fault: "url", "host", "port", "method", a field's name.
    public let field: String
    /// What is wrong with it; never its value, which may be secret.
    public let reason: String

    public init(field: String, reason: String) {
        self.field = field
        self.reason = reason
    }

    public var description: String { "\(field): \(reason)" }
}
