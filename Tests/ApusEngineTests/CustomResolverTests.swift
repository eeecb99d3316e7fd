import ApusCore
import ApusEngine
import ApusSocket
import Testing

/// A resolver of the program's own: literals in, addresses out.
@Suite struct CustomResolverTests {
    private func resolve(_ answer: Result<[String], NameError>) async throws -> [String] {
        let resolver = CustomResolver { host in
            #expect(host == "name")
            return answer
        }
        return try await resolver.resolve(host: "name", port: 80).map(\.description)
    }

    @Test func eachLiteralIsAnAddressWithThePort() async throws {
        #expect(
            try await resolve(.success(["127.0.0.1", "::1"])) == ["127.0.0.1:80", "[::1]:80"])
        #expect(try await resolve(.success([])).isEmpty)
    }

    @Test(
        arguments: [
            (.failure(.notFound("no name")), .notFound(message: "no name")),
            (.failure(.temporary("later")), .temporary(message: "later")),
            (
                .success(["127.0.0.1", "name"]),
                .notFound(message: "the resolver gave name, which is not an address")
            ),
        ] as [(Result<[String], NameError>, ResolveError)])
    func aFailureKeepsItsKindAndItsMessage(
        answer: Result<[String], NameError>, expected: ResolveError
    ) async throws {
        let error = await #expect(throws: ResolveError.self) { _ = try await resolve(answer) }
        #expect(error == expected)
    }
}
