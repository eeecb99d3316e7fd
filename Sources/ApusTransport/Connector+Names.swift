import ApusCore
import ApusSocket
import Glibc

// Where to: the addresses that a dial may connect to.
extension Connector {
    /// Finds out where to connect, and connects.
    func reach(_ keeper: any ConnectionKeeper) async throws(TransportError) -> Wire {
        let (host, port) = (route.firstHost, route.firstPort)
        if let known = try known(host, port) {
            resolvedAfter = Deadline.now().since(started)
            tell { .resolved(connection: $0, addresses: known.map(\.description)) }
            return try await race(known, keeper)
        }
        if dialer.resolver.splitsFamilies {
            return try await raceWhileResolving(host, port, keeper)
        }
        let addresses = try await lookUp(host, port, hop: firstHop)
        resolvedAfter = Deadline.now().since(started)
        tell { .resolved(connection: $0, addresses: addresses.map(\.description)) }
        return try await race(addresses, keeper)
    }

    /// The addresses that need no lookup; `nil` when the name is to be asked for.
    ///
    /// What the request says comes first, then the tuning's overrides, then what the name itself
    /// says.
    private func known(
        _ host: String, _ port: UInt16
    ) throws(TransportError) -> [SocketAddress]? {
        // Behind a proxy it is what that proxy is asked for.
        if route.proxies.isEmpty, let target = route.connectTo {
            return [try address(of: target)]
        }
        if let override = try override(host, port) { return override }
        return SpecialNames.addresses(of: host, port: port)
    }

    private func override(
        _ host: String, _ port: UInt16
    ) throws(TransportError) -> [SocketAddress]? {
        let all = dialer.tuning.dial.overrides
        guard !all.isEmpty,
            let override = all.first(where: { $0.covers(host, port) })
        else { return nil }
        var addresses: [SocketAddress] = []
        for target in override.targets { addresses.append(try address(of: target)) }
        return addresses
    }

    private func address(of target: ConnectTarget) throws(TransportError) -> SocketAddress {
        switch target {
        case .unixSocket(let path):
            guard let address = SocketAddress(unixPath: path) else {
                throw failure(
                    .connect(errno: ENAMETOOLONG), .connect, "the socket's path is too long",
                    hop: firstHop)
            }
            return address
        case .address(let literal, let port):
            guard let address = SocketAddress(literal: literal, port: port) else {
                throw failure(
                    .dns(isTemporary: false), .dns, "\(literal) is no address", hop: firstHop)
            }
            return address
        }
    }

    /// The addresses of the host, which stands behind every proxy unless `hop` says otherwise.
    func lookUp(
        _ host: String, _ port: UInt16, hop: TransportError.Hop = .origin
    ) async throws(TransportError) -> [SocketAddress] {
        if let override = try override(host, port) { return override }
        if let special = SpecialNames.addresses(of: host, port: port) { return special }
        let resolver = dialer.resolver
        let arrival = Arrival<Result<[SocketAddress], ResolveError>>()
        // On the loop: a busy pool of Swift's own threads must not hold up a dial.
        let lookup = Task(executorPreference: loop) { [suspension, loop, route] in
            let answer: Result<[SocketAddress], ResolveError>
            do throws(ResolveError) {
                answer = .success(
                    try await resolver.resolve(
                        host: host, port: port, family: nil, in: route.isolation))
            } catch {
                answer = .failure(error)
            }
            loop.execute {
                arrival.value = answer
                suspension.signal()
            }
        }
        // Whatever ends the wait, an answer that is still to come is not wanted.
        defer { lookup.cancel() }
        let limit = deadline(dialer.tuning.dial.resolveTimeout)
        while true {
            switch arrival.value {
            case .success(let addresses) where addresses.isEmpty:
                throw failure(.dns(isTemporary: false), .dns, "\(host) has no address", hop: hop)
            case .success(let addresses): return addresses
            case .failure(let error): throw failure(error, host, hop: hop)
            case nil: try await wait(.dns, until: limit, "\(host) did not resolve in time", hop)
            }
        }
    }

    func failure(
        _ error: ResolveError, _ host: String, hop: TransportError.Hop
    ) -> TransportError {
        let (kind, message): (TransportError.Kind, String) =
            switch error {
            case .notFound(let text): (.dns(isTemporary: false), "\(host): \(text)")
            case .temporary(let text): (.dns(isTemporary: true), "\(host): \(text)")
            case .overloaded: (.overloaded, "dial.maxPendingLookups lookups wait already")
            case .cancelled: (.cancelled, "the dial was cancelled")
            }
        return failure(kind, .dns, message, hop: hop)
    }
}
