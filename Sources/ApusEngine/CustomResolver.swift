package import ApusCore
package import ApusSocket

/// A resolver of the program's own, as the dial wants it.
package struct CustomResolver: Resolver {
    private let lookUp: @Sendable (String) async -> Result<[String], NameError>

    package init(_ lookUp: @escaping @Sendable (String) async -> Result<[String], NameError>) {
        self.lookUp = lookUp
    }

    package func resolve(host: String, port: UInt16) async throws(ResolveError) -> [SocketAddress] {
        let literals: [String]
        switch await lookUp(host) {
        case .success(let found): literals = found
        case .failure(.notFound(let message)): throw .notFound(message: message)
        case .failure(.temporary(let message)): throw .temporary(message: message)
        }
        var addresses: [SocketAddress] = []
        for literal in literals {
            guard let address = SocketAddress(literal: literal, port: port) else {
                throw .notFound(message: "the resolver gave \(literal), which is not an address")
            }
            addresses.append(address)
        }
        return addresses
    }
}
