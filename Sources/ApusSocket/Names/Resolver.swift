package import ApusCore

/// Resolves host names to addresses.
package protocol Resolver: Sendable {
    /// Returns the addresses of `host` in order of preference, never empty.
    ///
    /// It throws `.cancelled` at once when the calling task is cancelled.
    func resolve(host: String, port: UInt16) async throws(ResolveError) -> [SocketAddress]
    /// Whether each family can be resolved separately, so that neither waits for the other.
    var splitsFamilies: Bool { get }
    /// As `resolve(host:port:)` for one family, where `splitsFamilies` is `true`.
    func resolve(
        host: String, port: UInt16, family: SocketAddress.Family
    ) async throws(ResolveError) -> [SocketAddress]
    /// As the others, for an isolation scope: a cached answer is never given to another scope.
    func resolve(
        host: String, port: UInt16, family: SocketAddress.Family?, in scope: IsolationScope?
    ) async throws(ResolveError) -> [SocketAddress]
    /// Reports that none of the host's addresses accepted a connection, so a cached answer may be
    /// outdated.
    func addressesFailed(host: String)
}

extension Resolver {
    package var splitsFamilies: Bool { false }

    /// A resolver that does not split filters its answer.
    package func resolve(
        host: String, port: UInt16, family: SocketAddress.Family
    ) async throws(ResolveError) -> [SocketAddress] {
        try await resolve(host: host, port: port).filter { $0.family == family }
    }

    /// A resolver without a cache treats all scopes alike.
    package func resolve(
        host: String, port: UInt16, family: SocketAddress.Family?, in scope: IsolationScope?
    ) async throws(ResolveError) -> [SocketAddress] {
        guard let family else { return try await resolve(host: host, port: port) }
        return try await resolve(host: host, port: port, family: family)
    }

    /// A resolver without a cache does nothing.
    package func addressesFailed(host: String) {}
}

/// Names with fixed addresses, which are never looked up.
package enum SpecialNames {
    /// The address of a literal, or the loopback addresses for `localhost` and all names below it
    /// (RFC 6761, section 6.3); `nil` for every other name.
    package static func addresses(of host: String, port: UInt16) -> [SocketAddress]? {
        if let literal = SocketAddress(literal: host, port: port) { return [literal] }
        let name = host.lowercased()
        let plain = name.hasSuffix(".") ? String(name.dropLast()) : name
        guard plain == "localhost" || plain.hasSuffix(".localhost") else { return nil }
        return ["127.0.0.1", "::1"].compactMap { SocketAddress(literal: $0, port: port) }
    }
}

/// Why a name could not be resolved.
package enum ResolveError: Error, Sendable, Hashable {
    /// The name does not exist, or has no address.
    case notFound(message: String)
    /// The resolver could not answer now; a later attempt may succeed.
    case temporary(message: String)
    /// Too many lookups already wait.
    case overloaded
    /// The caller's task was cancelled.
    case cancelled
}
