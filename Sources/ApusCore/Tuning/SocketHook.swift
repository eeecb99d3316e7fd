/// A look at each TCP socket before it connects, for options that the engine does not know.
///
/// Two are equal only when they are the same object.
public final class SocketHook: Sendable {
    package let body: @Sendable (Int32, String) throws -> Void

    /// - Parameter body: gets the descriptor, which stays the engine's, and the address as text; on
    ///   an engine's thread, so it returns at once. What it throws fails this attempt.
    public init(_ body: @escaping @Sendable (_ descriptor: Int32, _ address: String) throws -> Void)
    {
        self.body = body
    }
}

extension SocketHook: Hashable {
    public static func == (left: SocketHook, right: SocketHook) -> Bool { left === right }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(self))
    }
}
