import ApusCore
import Testing

/// Each version policy offers its names by ALPN.
@Suite struct HTTPVersionPolicyTests {
    @Test(arguments: [
        (HTTPVersionPolicy.automatic, ["h2", "http/1.1"]),
        (.http1Only(alpn: .http1), ["http/1.1"]), (.http1Only(alpn: .omit), []),
        (.http2Only, ["h2"]),
    ])
    func eachPolicyOffersItsNamesInOrder(policy: HTTPVersionPolicy, names: [String]) {
        #expect(policy.alpnNames == names)
    }
}
