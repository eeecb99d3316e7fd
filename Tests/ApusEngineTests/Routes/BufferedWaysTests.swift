@testable import ApusCore
import ApusEngine
import Testing

/// When a way buffers responses, by its event streams: incident E7.
@Suite(.timeLimit(.minutes(5))) struct BufferedWaysTests {
    /// An event stream that waited 1 s for its connection.
    private func stream(
        seconds: Double, burst: Double, bytes: UInt64 = 20_000, atEnd: UInt64? = nil
    ) throws -> ExchangeSummary {
        var stream = ExchangeSummary(exchange: 1, method: "POST", route: try route(1))
        stream.queued = .seconds(1)
        stream.duration = .seconds(1 + seconds)
        stream.firstByte = .seconds(1 + seconds - burst)
        stream.bytesReceived = bytes
        stream.bytesAtEnd = atEnd ?? bytes
        return stream
    }

    @Test func whatOneStreamShows() throws {
        let rows: [(ExchangeSummary, BufferedWays.Delivery?)] = [
            (try stream(seconds: 40, burst: 0.02), .buffered),
            (try stream(seconds: 40, burst: 0.5), .buffered),
            // A model that thinks for a long time and then answers fast.
            (try stream(seconds: 40, burst: 0.6), nil),
            (try stream(seconds: 4, burst: 0.3), nil),
            (try stream(seconds: 40, burst: 38, atEnd: 1500), .streamed),
            (try stream(seconds: 40, burst: 38, atEnd: 10_000), .streamed),
            (try stream(seconds: 40, burst: 38, atEnd: 10_001), nil),
            // Too short, too little.
            (try stream(seconds: 0.9, burst: 0.001), nil),
            (try stream(seconds: 0.9, burst: 0.8, atEnd: 1500), nil),
            (try stream(seconds: 40, burst: 0.02, bytes: 16_383), nil),
            (try stream(seconds: 40, burst: 38, bytes: 100, atEnd: 5), .streamed),
        ]
        for (index, (stream, delivery)) in rows.enumerated() {
            #expect(BufferedWays.delivery(of: stream) == delivery, "row \(index)")
        }
    }

    @Test func aStreamWithoutABodyShowsNothing() throws {
        var empty = try stream(seconds: 40, burst: 0)
        empty.firstByte = nil
        #expect(BufferedWays.delivery(of: empty) == nil)
    }

    @Test func threeInARowAreReportedOnce() throws {
        var ways = BufferedWays()
        let (a, b) = (try route(1), try route(2))
        func reports(_ deliveries: [BufferedWays.Delivery]) -> [Bool] {
            deliveries.map { ways.streamEnded(a, $0) }
        }
        #expect(reports([.buffered, .buffered, .streamed]) == [false, false, false])
        #expect(ways.isEmpty)
        #expect(reports([.buffered, .buffered]) == [false, false])
        #expect(ways.streamEnded(b, .buffered) == false)
        #expect(reports([.buffered, .buffered, .buffered]) == [true, false, false])
        // Evidence against it, and then again.
        #expect(
            reports([.streamed, .buffered, .buffered, .buffered]) == [false, false, false, true])
    }

    @Test func aWayIsForgotten() throws {
        var ways = BufferedWays()
        let (a, b) = (try route(1), try route(2))
        for _ in 0..<3 { _ = ways.streamEnded(a, .buffered) }
        _ = ways.streamEnded(b, .buffered)
        #expect(Set(ways.routes) == [a, b])
        ways.forget([a])
        #expect(ways.routes == [b])
        #expect(ways.streamEnded(a, .buffered) == false)
    }

    @Test func theMemoryIsBounded() throws {
        var ways = BufferedWays()
        for number in 0...BufferedWays.maxWays {
            _ = ways.streamEnded(try route(number), .buffered)
        }
        #expect(ways.routes.count == 1)
    }
}
