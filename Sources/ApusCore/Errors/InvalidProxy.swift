/// A proxy setting that could not be read; says what is wrong, never what the text was.
public struct InvalidProxy: Error, Sendable, Hashable, CustomStringConvertible {
    public let reason: String

    public init(reason: String) {
        self.reason = reason
    }

    public var description: String { "proxy: \(reason)" }
}
