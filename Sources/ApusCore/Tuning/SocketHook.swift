/// A hook on each TCP socket before it connects, for options that the engine does not set.
///
/// Two are equal only when they are the same object.
public final class SocketHook: Sendable {
    package let body: @Sendable (Int32, String) throws -> Void

    /// Creates a hook.
    ///
    /// - Parameter body: receives the descriptor, which it must not close, and the address as text.
    ///   It is called on an engine's thread, so it must return at once. An error that it throws
    ///   fails this attempt.
    public init(_ body: @escaping @Sendable (_ descriptor: Int32, _ address: String) throws -> Void)
    {
        self.body = body
    }
}

extension SocketHook: Hashable {
    /// Whether two references are the same object.
    public static func == (left: SocketHook, right: SocketHook) -> Bool { left === right }

    /// Hashes the object's identity.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(self))
    }
}
