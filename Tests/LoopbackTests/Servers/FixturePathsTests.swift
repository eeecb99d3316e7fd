import Glibc
import Loopback
import Testing

@Suite(.timeLimit(.minutes(5))) struct FixturePathsTests {
    @Test func theRootHoldsThisPackagesFixtures() {
        #expect(access(FixturePaths.root + "/Loopback/README.md", R_OK) == 0)
    }

    @Test func certificatesAreMadeAndServed() throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer(.init(tls: FixturePaths.certificate("leaf")))
        defer { server.stop() }
        // A broken ClientHello is answered with an alert record.
        let client = try #require(PlainClient(server.port))
        client.send([22, 3, 1, 0, 5, 1, 0, 0, 1, 0])
        #expect(client.rest().bytes.starts(with: [21, 3]))
        #expect(server.counters.tlsHandshakes == 0)
    }

    @Test func aMissingCertificateIsAnError() {
        #expect(throws: LoopbackError.self) {
            try LoopbackServer(.init(tls: FixturePaths.certificate("missing")))
        }
    }
}
