import ApusCore
@testable import ApusDial
import ApusTLS
import Loopback
import Testing

/// The sessions that are kept for later handshakes.
@Suite(.timeLimit(.minutes(5))) struct TLSSessionCacheTests {
    private let context: TLSContext

    init() throws {
        context = try TLSContext(try trustingSettings(), alpn: [])
    }

    private func route(_ number: Int = 0) throws -> Route {
        Route(
            origin: try Origin(scheme: .https, host: "localhost"),
            isolation: IsolationScope("scope-\(number)"))
    }

    private func hop(_ number: Int = 0) throws -> TLSHop { .origin(try route(number)) }

    /// Any one of the hops gives way, so the bound shows in the number of hops that are left.
    @Test func aThousandHopsKeepSessionsAndTheNextOneReplacesOne() throws {
        let session = try makeSession(under: context)
        let cache = TLSSessionCache(perHop: 1)
        for number in 0..<1025 { cache.add(session, for: try hop(number), from: try route()) }
        let left = try (0..<1025).count { cache.take(for: try hop($0), under: context) != nil }
        #expect(left == 1024)
    }

    @Test("a session of TLS 1.3 is given once, the newest first, and the oldest gives way")
    func singleUse() throws {
        let cache = TLSSessionCache(perHop: 2)
        let sessions = try (0..<3).map { _ in try makeSession(under: context) }
        for session in sessions { cache.add(session, for: try hop(), from: try route()) }
        #expect(cache.take(for: try hop(), under: context) === sessions[2])
        #expect(cache.take(for: try hop(), under: context) === sessions[1])
        #expect(cache.take(for: try hop(), under: context) == nil)
    }

    @Test("a session of TLS 1.2 is given again and again")
    func repeatedUse() throws {
        let cache = TLSSessionCache(perHop: 2)
        let session = try makeSession(under: context, version: .tls12)
        cache.add(session, for: try hop(), from: try route())
        for _ in 0..<3 { #expect(cache.take(for: try hop(), under: context) === session) }
    }

    @Test func aSessionIsGivenToItsHopAndUnderItsContextOnly() throws {
        let cache = TLSSessionCache(perHop: 2)
        let session = try makeSession(under: context)
        cache.add(session, for: try hop(1), from: try route(1))
        #expect(cache.take(for: try hop(2), under: context) == nil)
        let other = try TLSContext(try trustingSettings(), alpn: ["h2"])
        #expect(cache.take(for: try hop(1), under: other) == nil)
        // One of another context is of no use any more.
        #expect(cache.take(for: try hop(1), under: context) == nil)
    }

    @Test func sessionsOfMatchingRoutesAreForgotten() throws {
        let cache = TLSSessionCache(perHop: 2)
        let (one, two) = (try makeSession(under: context), try makeSession(under: context))
        // A proxy's hop has sessions of several routes.
        cache.add(one, for: try hop(), from: try route(1))
        cache.add(two, for: try hop(), from: try route(2))
        let second = try route(2)
        cache.forget { $0 == second }
        #expect(cache.take(for: try hop(), under: context) === one)
        #expect(cache.take(for: try hop(), under: context) == nil)
    }

    @Test func everySessionIsForgotten() throws {
        let cache = TLSSessionCache(perHop: 2)
        cache.add(try makeSession(under: context), for: try hop(), from: try route())
        cache.removeAll()
        #expect(cache.take(for: try hop(), under: context) == nil)
    }
}
