import ApusCore
import ApusSocket
import Testing

/// Names that are never looked up, and the defaults of a resolver.
@Suite(.timeLimit(.minutes(5))) struct ResolverTests {
    @Test(
        arguments: [
            ("127.0.0.1", ["127.0.0.1"]), ("::1", ["::1"]), ("localhost", ["127.0.0.1", "::1"]),
            ("LOCALHOST.", ["127.0.0.1", "::1"]), ("a.localhost", ["127.0.0.1", "::1"]),
            ("notlocalhost", nil), ("localhost.example", nil), ("", nil),
        ] as [(String, [String]?)])
    func specialNamesHaveTheirAddresses(host: String, addresses: [String]?) {
        let found = SpecialNames.addresses(of: host, port: 80)
        #expect(found == addresses?.compactMap { SocketAddress(literal: $0, port: 80) })
    }

    @Test func aResolverOfBothFamiliesGivesOne() async throws {
        let resolver = Fixed()
        #expect(!resolver.splitsFamilies)
        let ipv6 = try await resolver.resolve(host: "a", port: 80, family: .ipv6, in: nil)
        #expect(ipv6 == [SocketAddress(literal: "::1", port: 80)])
        #expect(try await resolver.resolve(host: "a", port: 80, family: nil, in: nil).count == 2)
    }

    private struct Fixed: Resolver {
        func resolve(host: String, port: UInt16) async throws(ResolveError) -> [SocketAddress] {
            SpecialNames.addresses(of: "localhost", port: port) ?? []
        }
    }
}
