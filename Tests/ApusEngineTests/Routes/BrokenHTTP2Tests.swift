import ApusCore
import ApusEngine
import Testing

/// When a way speaks HTTP/1.1 because HTTP/2 has failed on it, and until when.
@Suite(.timeLimit(.minutes(5))) struct BrokenHTTP2Tests {
    private func way(
        _ host: String = "a", proxy: String? = nil, isolation: IsolationScope? = nil
    ) throws -> Route {
        Route(
            origin: try Origin(scheme: .https, host: host),
            proxies: try proxy.map { [try ProxyEndpoint(parsing: $0)] } ?? [],
            versions: .automatic, tls: EngineTuning.TLS(), localAddress: nil, localInterface: nil,
            connectTo: nil, isolation: isolation, purpose: .exchanges)
    }

    @Test func twoFailuresWithinAMinuteAreEnough() throws {
        var broken = BrokenHTTP2()
        let a = try way()
        #expect(broken.failed(a, .streamReset, on: 1, now: at(0)) == nil)
        #expect(broken.avoids(a, now: at(1)) == false)
        // The first has been forgotten.
        #expect(broken.failed(a, .streamReset, on: 1, now: at(60)) == nil)
        #expect(
            broken.failed(a, .silentStream, on: 1, now: at(119)) == [.streamReset, .silentStream])
        #expect(broken.avoids(a, now: at(119)) == true)
        #expect(broken.avoids(a, now: at(718)) == true)
        #expect(try broken.avoids(way("b"), now: at(119)) == false)
    }

    @Test func aProofIsEnoughAlone() throws {
        var broken = BrokenHTTP2()
        #expect(try broken.failed(way(), .spokeHTTP1, on: 1, now: at(0)) == [.spokeHTTP1])
        #expect(try broken.avoids(way(), now: at(1)) == true)
    }

    /// One end of a connection fails many requests; a reset is each request's own.
    @Test(arguments: HTTP2Evidence.allCases.filter { $0 != .spokeHTTP1 })
    func whatEndsAConnectionCountsOnce(_ evidence: HTTP2Evidence) throws {
        var broken = BrokenHTTP2()
        let a = try way()
        let isOfStream = evidence == .streamReset || evidence == .silentStream
        var verdicts = 0
        for _ in 0..<50 where broken.failed(a, evidence, on: 7, now: at(1)) != nil { verdicts += 1 }
        #expect(verdicts == (isOfStream ? 1 : 0))
        #expect(broken.avoids(a, now: at(2)) == isOfStream)
        _ = broken.failed(a, evidence, on: 8, now: at(2))
        #expect(broken.avoids(a, now: at(2)) == true)
    }

    @Test func credentialsAndScopesShareAWay() throws {
        var broken = BrokenHTTP2()
        _ = try broken.failed(way(proxy: "http://me:one@p:3128"), .streamReset, on: 1, now: at(0))
        let scope = IsolationScope("other")
        _ = try broken.failed(
            way(proxy: "http://you:two@p:3128", isolation: scope), .streamReset, on: 2, now: at(1))
        #expect(try broken.avoids(way(proxy: "http://p:3128"), now: at(2)) == true)
        for other in ["socks5h://p:3128", "http://p:3129", "http://q:3128"] {
            #expect(try broken.avoids(way(proxy: other), now: at(2)) == false)
        }
        #expect(try broken.avoids(way(), now: at(2)) == false)
    }

    @Test func oneRequestProbesAfterTheTime() throws {
        var broken = BrokenHTTP2()
        let a = try way()
        _ = broken.failed(a, .spokeHTTP1, on: 1, now: at(0))
        #expect(broken.avoids(a, now: at(599)) == true)
        #expect(broken.avoids(a, now: at(600)) == false)
        // While it is under way the others stay.
        for second in [600, 601, 659] as [Int64] {
            #expect(broken.avoids(a, now: at(second)) == true)
        }
        #expect(broken.avoided(now: at(601)).map(\.left) == [.zero])
        // It has not been heard of again: another one probes.
        #expect(broken.avoids(a, now: at(660)) == false)
        broken.succeeded(a)
        #expect(broken.isEmpty)
        #expect(broken.avoids(a, now: at(661)) == false)
    }

    @Test func aProbeThatFailsIsEnoughAlone() throws {
        var broken = BrokenHTTP2()
        let a = try way()
        _ = broken.failed(a, .spokeHTTP1, on: 1, now: at(0))
        #expect(broken.avoids(a, now: at(600)) == false)
        #expect(broken.failed(a, .streamReset, on: 2, now: at(601)) == [.streamReset])
        #expect(broken.avoids(a, now: at(1200)) == true)
        #expect(broken.avoids(a, now: at(1201)) == false)
    }

    @Test func aSuccessDoesNotUndoASuspicion() throws {
        var broken = BrokenHTTP2()
        let a = try way()
        _ = broken.failed(a, .streamReset, on: 1, now: at(0))
        broken.succeeded(a)
        #expect(broken.failed(a, .streamReset, on: 1, now: at(1)) != nil)
        // Nor what was avoided for its time: a request that began before has succeeded.
        broken.succeeded(a)
        #expect(broken.avoids(a, now: at(2)) == true)
        #expect(broken.failed(a, .streamReset, on: 1, now: at(3)) == nil)
    }

    @Test func whatIsForgottenBeginsAnew() throws {
        var broken = BrokenHTTP2()
        _ = try broken.failed(way(), .spokeHTTP1, on: 1, now: at(0))
        _ = try broken.failed(way("b"), .spokeHTTP1, on: 2, now: at(0))
        let avoided = broken.avoided(now: at(200))
        #expect(avoided.count == 2 && avoided.allSatisfy { $0.left == .seconds(400) })
        broken.forget(broken.routes.filter { $0.origin.host == "a" })
        #expect(try broken.avoids(way(), now: at(201)) == false)
        #expect(try broken.avoids(way("b"), now: at(201)) == true)
    }

    @Test func theMemoryIsBounded() throws {
        var broken = BrokenHTTP2()
        for number in 0...Way.maxRemembered {
            _ = try broken.failed(way("h\(number)"), .streamReset, on: 1, now: at(0))
        }
        #expect(broken.routes.count == 1)
    }
}
