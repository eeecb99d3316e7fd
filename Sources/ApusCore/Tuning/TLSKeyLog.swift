/// Receives the secrets of TLS connections as lines of NSS's key log format, which Wireshark reads.
///
/// Two logs are equal only when they are the same object.
public final class TLSKeyLog: Sendable {
    package let write: @Sendable (String) -> Void

    /// Creates a log.
    ///
    /// - Parameter write: receives each line without its line feed, on an engine's thread, so it
    ///   must return at once.
    public init(_ write: @escaping @Sendable (String) -> Void) {
        self.write = write
    }
}

extension TLSKeyLog: Hashable {
    /// Whether two references are the same object.
    public static func == (left: TLSKeyLog, right: TLSKeyLog) -> Bool { left === right }

    /// Hashes the object's identity.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(self))
    }
}
