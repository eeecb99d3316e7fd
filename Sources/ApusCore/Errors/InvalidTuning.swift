/// A tuning value out of range; names the field as it is written in code.
public struct InvalidTuning: Error, Sendable, Hashable, CustomStringConvertible {
    /// The field's path, such as "pool.maxIdle".
    public let field: String
    public let reason: String

    public var description: String { "\(field): \(reason)" }
}
