import ApusCore
import Testing

/// What is remembered of ways.
@Suite struct WayRecordsTests {
    private func route(_ number: Int, proxy: String? = nil) throws -> Route {
        Route(
            origin: try Origin(scheme: .https, host: "host-\(number)"),
            proxies: try proxy.map { [try ProxyEndpoint(parsing: $0)] } ?? [])
    }

    @Test func routesOfAWayShareARecord() throws {
        var records = WayRecords<Int>()
        #expect(records.isEmpty)
        let first = try route(1, proxy: "http://a:b@proxy:1")
        let second = try route(1, proxy: "http://c:d@proxy:1")
        records[first] = 7
        #expect(records[second] == 7)
        #expect(try records[route(1)] == nil)
        records[second] = 8
        #expect(records.routes == [second])
        #expect(records.entries.map(\.record) == [8])
        records[first] = nil
        #expect(records.isEmpty)
    }

    @Test func waysAreForgotten() throws {
        var records = WayRecords<Int>()
        for number in 0..<3 { records[try route(number)] = number }
        records.forget([try route(0), try route(2), try route(9)])
        #expect(try records.routes == [route(1)])
    }

    @Test func aThousandWaysAreRememberedAndTheNextOneBeginsAnew() throws {
        var records = WayRecords<Int>()
        for number in 0..<Way.maxRemembered { records[try route(number)] = number }
        records[try route(0)] = 5
        #expect(records.routes.count == Way.maxRemembered)
        records[try route(Way.maxRemembered)] = 1
        #expect(records.routes.count == 1)
    }
}
