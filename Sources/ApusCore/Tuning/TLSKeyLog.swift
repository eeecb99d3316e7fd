/// Hears the secrets of TLS connections, in the lines of NSS's key log, as Wireshark reads them.
///
/// Two logs are equal only when they are the same object.
public final class TLSKeyLog: Sendable {
    package let write: @Sendable (String) -> Void

    /// - Parameter write: Gets each line without its end, on the engine's threads: return at once.
    public init(_ write: @escaping @Sendable (String) -> Void) {
        self.write = write
    }
}

extension TLSKeyLog: Hashable {
    public static func == (left: TLSKeyLog, right: TLSKeyLog) -> Bool { left === right }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(self))
    }
}
