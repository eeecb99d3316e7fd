import ApusCore
import ApusSocket
import Testing

/// One lane for each address family.
@Suite(.timeLimit(.minutes(5))) struct FamilyResolverTests {
    @Test func eachFamilyIsAnsweredByItself() async throws {
        let resolver = FamilyResolver(EngineTuning.Dial())
        #expect(resolver.splitsFamilies)
        let loopback = try await resolver.resolve(host: "localhost", port: 80)
        #expect(loopback.count == 2)
        let ipv4 = try await resolver.resolve(host: "127.0.0.1", port: 80, family: .ipv4)
        #expect(ipv4 == [SocketAddress(literal: "127.0.0.1", port: 80)])
        let ipv6 = try await resolver.resolve(host: "::1", port: 80, family: .ipv6, in: "a scope")
        #expect(ipv6 == [SocketAddress(literal: "::1", port: 80)])
        resolver.addressesFailed(host: "localhost")
    }

    @Test func withoutAResolutionDelayFamiliesAreNotSplit() {
        var tuning = EngineTuning.Dial()
        tuning.resolutionDelay = nil
        #expect(!FamilyResolver(tuning).splitsFamilies)
    }
}
