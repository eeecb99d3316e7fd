import ApusCore
import ApusSocket

// Where to: the addresses that a dial may connect to.
extension Connector {
    func resolve() async throws(TransportError) -> [SocketAddress] {
        // Behind a proxy it is what that proxy is asked for.
        switch route.proxies.isEmpty ? route.connectTo : nil {
        case .unixSocket(let path):
            guard let address = SocketAddress(unixPath: path) else {
                throw failure(.connect(errno: 36), .connect, "the socket's path is too long")
            }
            return [address]
        case .address(let literal, let port):
            guard let address = SocketAddress(literal: literal, port: port) else {
                throw failure(.dns(isTemporary: false), .dns, "\(literal) is no address")
            }
            return [address]
        case nil: break
        }
        let host = firstHost
        let port = route.proxies.first?.port ?? route.origin.port
        let addresses = try await lookUp(host, port)
        tell { .resolved(connection: $0, addresses: addresses.map(\.description)) }
        return addresses
    }

    func lookUp(_ host: String, _ port: UInt16) async throws(TransportError)
        -> [SocketAddress]
    {
        if let literal = SocketAddress(literal: host, port: port) { return [literal] }
        let resolver = dialer.resolver
        let arrival = Arrival<Result<[SocketAddress], ResolveError>>()
        // On the loop: a busy pool of Swift's own threads must not hold up a dial.
        let lookup = Task(executorPreference: loop) { [suspension, loop] in
            let answer: Result<[SocketAddress], ResolveError>
            do throws(ResolveError) {
                answer = .success(try await resolver.resolve(host: host, port: port))
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
                throw failure(.dns(isTemporary: false), .dns, "\(host) has no address")
            case .success(let addresses): return addresses
            case .failure(let error): throw failure(error, host)
            case nil: try await wait(.dns, until: limit, "\(host) did not resolve in time")
            }
        }
    }

    func failure(_ error: ResolveError, _ host: String) -> TransportError {
        switch error {
        case .notFound(let text):
            failure(.dns(isTemporary: false), .dns, "\(host): \(text)")
        case .temporary(let text):
            failure(.dns(isTemporary: true), .dns, "\(host): \(text)")
        case .overloaded:
            failure(.overloaded, .dns, "dial.maxPendingLookups lookups wait already")
        case .cancelled: failure(.cancelled, .dns, "the dial was cancelled")
        }
    }
}
