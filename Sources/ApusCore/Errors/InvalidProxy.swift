/// A proxy setting that cannot be used.
public struct InvalidProxy: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong with the setting; never its text, which may hold credentials.
    public let reason: String

    /// Creates an error with the reason.
    public init(reason: String) {
        self.reason = reason
    }

    /// "proxy: " and the reason.
    public var description: String { "proxy: \(reason)" }
}
