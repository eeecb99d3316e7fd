/// A tuning value out of range; names the field as it is written in code.
public struct InvalidTuning: Error, Sendable, Hashable, CustomStringConvertible {
    /// The field's path, such as "pool.maxIdle".
    public let field: String
    /// What is wrong with its value.
    public let reason: String

    package init(field: String, reason: String) {
        self.field = field
        self.reason = reason
    }

    /// The field and the reason, as in "pool.maxIdle: -1 is not in 0...1000000".
    public var description: String { "\(field): \(reason)" }
}
