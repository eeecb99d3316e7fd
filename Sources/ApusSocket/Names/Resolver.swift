package import ApusCore

/// Turns a host's name into addresses.
package protocol Resolver: Sendable {
    /// The addresses of `host` in the order in which to try them, never empty.
    ///
    /// Returns at once with `.cancelled` when the calling task is cancelled.
    func resolve(host: String, port: UInt16) async throws(ResolveError) -> [SocketAddress]
    /// Whether each family can be looked up by itself, so that neither waits for the other.
    var splitsFamilies: Bool { get }
    /// As `resolve(host:port:)` for one family, where `splitsFamilies`.
    func resolve(
        host: String, port: UInt16, family: SocketAddress.Family
    ) async throws(ResolveError) -> [SocketAddress]
    /// As the others, on behalf of a scope: what is kept of the answer is never given to another.
    func resolve(
        host: String, port: UInt16, family: SocketAddress.Family?, in scope: IsolationScope?
    ) async throws(ResolveError) -> [SocketAddress]
    /// None of the host's addresses took a connection: what is known of it may be out of date.
    func addressesFailed(host: String)
}

extension Resolver {
    package var splitsFamilies: Bool { false }

    /// One that does not split picks from what it knows.
    package func resolve(
        host: String, port: UInt16, family: SocketAddress.Family
    ) async throws(ResolveError) -> [SocketAddress] {
        try await resolve(host: host, port: port).filter { $0.family == family }
    }

    /// One that keeps nothing serves every scope alike.
    package func resolve(
        host: String, port: UInt16, family: SocketAddress.Family?, in scope: IsolationScope?
    ) async throws(ResolveError) -> [SocketAddress] {
        guard let family else { return try await resolve(host: host, port: port) }
        return try await resolve(host: host, port: port, family: family)
    }

    /// A resolver that keeps nothing has nothing to forget.
    package func addressesFailed(host: String) {}
}

/// Names that mean the same everywhere and are never looked up.
package enum SpecialNames {
    /// A literal's own address, or the loopback addresses for `localhost` and all names below it
    /// (RFC 6761, section 6.3); `nil` for every other name.
    package static func addresses(of host: String, port: UInt16) -> [SocketAddress]? {
        if let literal = SocketAddress(literal: host, port: port) { return [literal] }
        let name = host.lowercased()
        let plain = name.hasSuffix(".") ? String(name.dropLast()) : name
        guard plain == "localhost" || plain.hasSuffix(".localhost") else { return nil }
        return ["127.0.0.1", "::1"].compactMap { SocketAddress(literal: $0, port: port) }
    }
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
