import ApusCore
import ApusPool
import Glibc
import Testing

/// Walks by chance over a pool with caps; the rules are in `CapWalk`.
@Suite struct PoolCapWalkTests {
    /// Which caps are set.
    enum Caps: String, CaseIterable {
        case engine, origin, proxy, all, narrow, withRouteLimits

        var pool: EngineTuning.Pool {
            var pool = EngineTuning.Pool()
            pool.dialBackoff = nil
            pool.maxIdlePerHost = nil
            pool.idleTimeout = .seconds(1)
            pool.dialGrace = .milliseconds(50)
            pool.hedgeDelay = .milliseconds(40)
            switch self {
            case .engine: pool.maxConnections = 5
            case .origin: pool.maxConnectionsPerOrigin = 3
            case .proxy: pool.maxConnectionsPerProxy = 2
            case .all:
                pool.maxConnections = 8
                pool.maxConnectionsPerOrigin = 4
                pool.maxConnectionsPerProxy = 3
            case .narrow:
                pool.maxConnections = 2
                pool.maxConnectionsPerOrigin = 1
                pool.maxConnectionsPerProxy = 1
            case .withRouteLimits:
                pool.maxConnections = 6
                pool.maxConnectionsPerOrigin = 4
                pool.maxConnectionsPerHost = 2
                pool.maxIdle = 3
                pool.lifetime = .seconds(2)
                pool.maxRequestsPerConnection = 5
            }
            return pool
        }
    }

    /// Two origins, with and without TLS, over two proxies and three scopes.
    private static func routes() throws -> [Route] {
        var routes: [Route] = []
        for scope in 0..<3 {
            for proxies in [[], ["http://p:1"], ["http://u:\(scope)@p:1", "socks5://q:2"]] {
                routes.append(try Routes.plain("a.test", through: proxies, scope: "\(scope)"))
                routes.append(try Routes.secure("b.test", through: proxies, scope: "\(scope)"))
            }
        }
        return routes
    }

    /// `APUS_SOAK=1` walks 50 times as far.
    private static let steps = getenv("APUS_SOAK") == nil ? 3000 : 150_000

    /// The last walk is a new one each time; a failure reports its seed.
    @Test(arguments: Caps.allCases, [0xA905, 7, UInt64.random(in: 1 ... .max)])
    func aWalkBreaksNoRule(_ caps: Caps, seed: UInt64) throws {
        var walk = CapWalk(caps.pool, try Self.routes(), seed: seed)
        for step in 0..<Self.steps {
            walk.step()
            if let violation = walk.violation {
                Issue.record("step \(step), \(walk.last): \(violation)\n\(walk.pool)")
                return
            }
        }
        #expect(walk.waits.values.reduce(0, +) > Self.steps / 10, "callers wait under a cap")
        #expect(walk.pool.counters.grants > Self.steps / 20)
        var other = walk
        other.serveAll()
        #expect(other.violation == nil, "after the walk, \(other.last)\n\(other.pool)")
        walk.shutDown()
        #expect(walk.violation == nil)
    }
}
