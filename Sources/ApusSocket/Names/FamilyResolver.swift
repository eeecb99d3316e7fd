package import ApusCore

/// The system's resolver with a lane for each family, which has its own threads, queue and cache.
///
/// `getaddrinfo` for both families returns when the slower one has answered. With lanes, a DNS
/// server that never answers for IPv6 costs only `dial.resolutionDelay`, and lookups that hang do
/// not block the other lane.
package final class FamilyResolver: Resolver {
    private let ipv4: SystemResolver
    private let ipv6: SystemResolver
    /// For callers that need the system's own order of both families.
    private let both: SystemResolver
    package let splitsFamilies: Bool

    package init(_ tuning: EngineTuning.Dial, onStaleAnswer: StaleAnswer.Listener? = nil) {
        ipv4 = SystemResolver(tuning, family: .ipv4, onStaleAnswer: onStaleAnswer)
        ipv6 = SystemResolver(tuning, family: .ipv6, onStaleAnswer: onStaleAnswer)
        both = SystemResolver(tuning, family: nil, onStaleAnswer: onStaleAnswer)
        splitsFamilies = tuning.resolutionDelay != nil
    }

    package func resolve(host: String, port: UInt16) async throws(ResolveError) -> [SocketAddress] {
        try await resolve(host: host, port: port, family: nil, in: nil)
    }

    package func resolve(
        host: String, port: UInt16, family: SocketAddress.Family
    ) async throws(ResolveError) -> [SocketAddress] {
        try await resolve(host: host, port: port, family: family, in: nil)
    }

    package func resolve(
        host: String, port: UInt16, family: SocketAddress.Family?, in scope: IsolationScope?
    ) async throws(ResolveError) -> [SocketAddress] {
        let lane =
            switch family {
            case .ipv4: ipv4
            case .ipv6: ipv6
            case .unix, nil: both
            }
        return try await lane.resolve(host: host, port: port, in: scope)
    }

    package func addressesFailed(host: String) {
        for lane in [ipv4, ipv6, both] { lane.addressesFailed(host: host) }
    }
}
