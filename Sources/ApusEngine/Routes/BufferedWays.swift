package import ApusCore

/// The ways on which event streams arrive whole at their end, because a hop buffers each response
/// before it passes it on.
///
/// One such stream may be the origin's doing, so three in a row are needed, and one stream that
/// arrived over its time is evidence against it. Without clock or lock.
package struct BufferedWays: Sendable {
    /// What an event stream shows of its way.
    package enum Delivery: Hashable, Sendable {
        /// The body came at once, at its end.
        case buffered
        /// The body came over its time.
        case streamed
    }

    /// The most ways that are remembered; beyond, the memory begins anew.
    package static let maxWays = 1024
    /// How many streams in a row are enough.
    static let limit = 3
    /// The shortest time on the connection that says anything.
    static let minTime = Duration.seconds(1)
    /// The fewest bytes that say anything: what a model takes seconds to write.
    static let minBytes: UInt64 = 16 * 1024
    /// The longest time from the first to the last byte of a buffered body, which is also at most a
    /// twentieth of the time on the connection.
    static let maxBurst = Duration.milliseconds(500)

    /// A route of each way, for those who forget, and its buffered streams in a row; the way has
    /// been reported when they are `limit`.
    private var records: [BrokenHTTP2.Way: (route: Route, streams: Int)] = [:]

    package init() {}

    package var isEmpty: Bool { records.isEmpty }

    /// What a completed event stream shows; `nil` when it shows nothing.
    package static func delivery(of stream: ExchangeSummary) -> Delivery? {
        guard let queued = stream.queued, let firstByte = stream.firstByte else { return nil }
        let time = stream.duration - queued
        let burst = stream.duration - firstByte
        guard time >= minTime else { return nil }
        if burst <= min(maxBurst, time / 20) {
            return stream.bytesReceived >= minBytes ? .buffered : nil
        }
        return stream.bytesAtEnd <= stream.bytesReceived / 2 ? .streamed : nil
    }

    /// An event stream was received whole.
    ///
    /// - Returns: whether the way is to be reported, which it is once.
    package mutating func streamEnded(_ route: Route, _ delivery: Delivery) -> Bool {
        let way = BrokenHTTP2.Way(route)
        switch delivery {
        case .streamed:
            records[way] = nil
            return false
        case .buffered:
            if records[way] == nil, records.count >= Self.maxWays { records.removeAll() }
            let streams = (records[way]?.streams ?? 0) + 1
            guard streams <= Self.limit else { return false }
            records[way] = (route, streams)
            return streams == Self.limit
        }
    }

    /// A route of each way that is remembered.
    package var routes: [Route] { records.values.map(\.route) }

    /// Forgets the ways of these routes.
    package mutating func forget(_ routes: [Route]) {
        for route in routes { records[BrokenHTTP2.Way(route)] = nil }
    }
}
