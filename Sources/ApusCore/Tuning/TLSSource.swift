/// Returns certificates or a key when they are first needed, and again at each `reloadTLS`.
///
/// Two sources are equal only when they are the same object.
public final class TLSSource: Sendable {
    package let load: @Sendable () throws -> Bytes

    /// Creates a source.
    ///
    /// - Parameter load: is called on a separate thread, which it may block. An error that it
    ///   throws is quoted in the dial's error, so it must hold no secret.
    public init(_ load: @escaping @Sendable () throws -> Bytes) {
        self.load = load
    }
}

extension TLSSource: Hashable {
    /// Whether two references are the same object.
    public static func == (left: TLSSource, right: TLSSource) -> Bool { left === right }

    /// Hashes the object's identity.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(self))
    }
}
