import ApusCore

/// Turns a host's name into addresses.
package protocol Resolver: Sendable {
    /// The addresses of `host` in the order in which to try them, never empty.
    ///
    /// Returns at once with `.cancelled` when the calling task is cancelled.
    func resolve(host: String, port: UInt16) async throws(ResolveError) -> [SocketAddress]
    /// None of the host's addresses took a connection: what is known of it may be out of date.
    func addressesFailed(host: String)
}

extension Resolver {
    /// A resolver that keeps nothing has nothing to forget.
    package func addressesFailed(host: String) {}
}

/// Why a name gave no address.
package enum ResolveError: Error, Sendable, Hashable {
    /// The name does not exist, or has no address.
    case notFound(message: String)
    /// The resolver could not tell now; later it may.
    case temporary(message: String)
    /// Too many lookups wait already.
    case overloaded
    /// The caller's task was cancelled.
    case cancelled
}
