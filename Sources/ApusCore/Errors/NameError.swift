/// Why a `NameResolver` gave no address.
public enum NameError: Error, Sendable, Hashable {
    /// The name does not exist, or has no address.
    case notFound(String)
    /// The resolver could not answer now; a later attempt may succeed.
    case temporary(String)
}
