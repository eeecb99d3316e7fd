import ApusCore
import ApusEngine
import Testing

/// When a large body goes over HTTP/1.1, because HTTP/2 takes it slowly: incident A16.
@Suite(.timeLimit(.minutes(5))) struct NarrowWaysTests {
    /// 16 windows of 64 KiB.
    private static let large: UInt64 = 16 * 65_535

    @Test func aLargeBodyAvoidsANarrowWayForTenMinutes() throws {
        var ways = NarrowWays()
        let (a, b) = (try route(1), try route(2))
        #expect(ways.avoids(a, length: .max, now: at(0)) == false)
        #expect(ways.congested(a, window: 65_535, now: at(0)) == Self.large)
        #expect(ways.avoids(a, length: Self.large - 1, now: at(1)) == false)
        #expect(ways.avoids(a, length: Self.large, now: at(1)) == true)
        #expect(ways.avoids(a, length: .max, now: at(599)) == true)
        #expect(ways.avoids(b, length: .max, now: at(1)) == false)
        #expect(ways.avoids(a, length: .max, now: at(600)) == false)
        #expect(ways.isEmpty)
    }

    @Test func eachCongestionBeginsTheTimeAnewAndIsReportedOnce() throws {
        var ways = NarrowWays()
        let a = try route(1)
        #expect(ways.congested(a, window: 65_535, now: at(0)) == Self.large)
        #expect(ways.congested(a, window: 65_535, now: at(500)) == nil)
        #expect(ways.avoids(a, length: Self.large, now: at(1099)) == true)
        #expect(ways.congested(a, window: 65_535, now: at(1100)) == Self.large)
    }

    /// A larger window makes a larger body, and one of zero is none to reckon with.
    @Test(arguments: [(0, 1_048_560), (65_535, 1_048_560), (1 << 20, 16 << 20)] as [(Int, UInt64)])
    func theLengthIsThatOfSixteenWindows(_ window: Int, _ length: UInt64) throws {
        var ways = NarrowWays()
        #expect(try ways.congested(route(1), window: window, now: at(0)) == length)
    }

    @Test func aWayIsForgotten() throws {
        var ways = NarrowWays()
        let (a, b) = (try route(1), try route(2))
        for route in [a, b] { _ = ways.congested(route, window: 65_535, now: at(0)) }
        #expect(Set(ways.routes) == [a, b])
        ways.forget([a])
        #expect(ways.routes == [b])
        #expect(ways.avoids(a, length: .max, now: at(1)) == false)
    }

    @Test func theMemoryIsBounded() throws {
        var ways = NarrowWays()
        for number in 0...Way.maxRemembered {
            _ = ways.congested(try route(number), window: 65_535, now: at(0))
        }
        #expect(ways.routes.count == 1)
    }
}
