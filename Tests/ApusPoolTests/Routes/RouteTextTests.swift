import ApusCore
import ApusPool
import HTTPTypes
import Testing

/// Every text of a route is compared by its bytes: what Unicode takes for one text is two names to
/// a file system, a proxy and a TLS library.
@Suite struct RouteTextTests {
    /// "é" as one scalar and as two: equal strings of different bytes.
    static let composed = "caf\u{E9}"
    static let decomposed = "cafe\u{301}"

    /// Each text of a route that may hold such a character, set in a proxy's route.
    static let places:
        [(String, @Sendable (inout RouteMutationTests.Parts, String) throws -> Void)] = [
            ("a local address", { $0.localAddress = $1 }),
            ("a local interface", { $0.localInterface = $1 }),
            ("an address to connect to", { $0.connectTo = .address($1, port: 1) }),
            ("a Unix socket", { $0.connectTo = .unixSocket(path: $1) }),
            ("a user", { $0.user = $1 }),
            ("a password", { $0.password = $1 }),
            ("a field for the proxy", { $0.proxyOptions.fields = [.userAgent: $1] }),
            ("a scope", { $0.isolation = IsolationScope($1) }),
        ]

    /// Each text of what TLS trusts, presents and speaks.
    static let tlsPlaces: [(String, @Sendable (inout EngineTuning.TLS, String) -> Void)] = [
        ("a file of roots", { $0.roots = .file($1) }),
        ("a text of roots", { $0.roots = .pem($1) }),
        ("a certificate's file", { $0.identity = .init(certificateFile: $1, keyFile: "k") }),
        ("a key's file", { $0.identity = .init(certificateFile: "c", keyFile: $1) }),
        ("a PKCS#12 file", { $0.identity = .init(pkcs12File: $1) }),
        ("a key's password", { $0.identity = .init(pkcs12File: "p", password: $1) }),
        ("the name sent", { $0.serverName = $1 }),
        ("the name verified", { $0.verifiedName = $1 }),
        ("ciphers of TLS 1.2", { $0.tls12CipherSuites = [$1] }),
        ("ciphers of TLS 1.3", { $0.tls13CipherSuites = [$1] }),
        ("groups", { $0.groups = [$1] }),
    ]

    @Test func theTextsAreEqualToSwiftAndDifferInBytes() {
        #expect(Self.composed == Self.decomposed)
        #expect(!Self.composed.utf8.elementsEqual(Self.decomposed.utf8))
    }

    @Test(arguments: places.map(\.0))
    func textsOfDifferentBytesMakeDifferentRoutes(_ place: String) throws {
        let set = try #require(Self.places.first { $0.0 == place }).1
        try expectDifference { text in
            var parts = RouteMutationTests.Parts()
            try set(&parts, text)
            return try parts.route()
        }
    }

    @Test(arguments: tlsPlaces.map(\.0))
    func textsOfTLSDoToo(_ place: String) throws {
        let set = try #require(Self.tlsPlaces.first { $0.0 == place }).1
        try expectDifference { text in
            var parts = RouteMutationTests.Parts()
            set(&parts.tls, text)
            return try parts.route()
        }
    }

    /// A text that is added to a route must be compared by its bytes too.
    @Test func noTextInARouteIsAString() throws {
        var strings: Set<String> = []
        for mutation in RouteMutationTests.mutations {
            var parts = RouteMutationTests.Parts()
            mutation(&parts)
            findStrings(in: try parts.route(), at: "route", &strings)
        }
        #expect(strings.sorted() == [])
    }

    private func expectDifference(_ make: (String) throws -> Route) throws {
        let (one, other) = (try make(Self.composed), try make(Self.decomposed))
        #expect(one != other)
        #expect(other != one)
        #expect(Set([one, other]).count == 2)
        #expect(try one == make(Self.composed))
        #expect(try one.hashValue == make(Self.composed).hashValue)
        let driver = PoolDriver()
        #expect(driver.wait(one) != nil)
        let dialled = try #require(driver.dials.first)
        driver.establish(dialled)
        driver.release(dialled)
        #expect(driver.take(other) == nil, "a connection is given to another route")
    }

    /// Every string that is no exact text, by its path; enums that compare themselves are left out.
    private func findStrings(in value: Any, at path: String, _ found: inout Set<String>) {
        let kind = String(describing: type(of: value))
        guard kind != "ExactText" else { return }
        if value is String { found.insert(path) }
        let mirror = Mirror(reflecting: value)
        if mirror.displayStyle == .enum { return }
        for (index, child) in mirror.children.enumerated() {
            findStrings(in: child.value, at: "\(path).\(child.label ?? "\(index)")", &found)
        }
    }
}
