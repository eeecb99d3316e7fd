/// Gives certificates or a key when asked: when they are first needed, and at each `reloadTLS`.
///
/// Two sources are equal only when they are the same object.
public final class TLSSource: Sendable {
    package let load: @Sendable () throws -> Bytes

    /// - Parameter load: Called on a thread of its own, which it may block; what it throws is told
    ///   in the dial's error, so it must name no secret.
    public init(_ load: @escaping @Sendable () throws -> Bytes) {
        self.load = load
    }
}

extension TLSSource: Hashable {
    public static func == (left: TLSSource, right: TLSSource) -> Bool { left === right }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(self))
    }
}
