package import ApusCore

/// What the connections of each way have shown, for the PINGs of later ones.
///
/// A peer that ends a connection with `too_many_pings` gets PINGs half as often from then on. What
/// was learned is forgotten after `memory` without another complaint. Without clock or lock.
package struct WayMemory: Sendable {
    /// That the peer gets too many PINGs.
    private struct Complaint {
        /// The silence before a PING on later connections.
        var interval: Duration
        var count: Int
        var last: Deadline

        /// Whether it still counts.
        func isKnown(_ now: Deadline) -> Bool { now < last.advanced(by: WayMemory.memory) }
    }

    private struct Record {
        /// A route of the way, for those who forget and those who report.
        let route: Route
        var complaint: Complaint?
    }

    /// The most ways that are remembered; beyond, the memory begins anew.
    package static let maxWays = 1024
    /// How long something learned counts without another sign of it.
    static let memory = Duration.seconds(6 * 3600)
    /// The longest silence before a PING, unless the tuning has a longer one.
    static let longestInterval = Duration.seconds(600)

    private var records: [Way: Record] = [:]

    package init() {}

    package var isEmpty: Bool { records.isEmpty }

    // MARK: Learning

    /// A connection that sends a PING after this silence was ended with `too_many_pings`.
    ///
    /// Connections of one interval that are ended together double it once.
    ///
    /// - Returns: the interval of the way's later connections.
    package mutating func pingsWereTooMany(
        on route: Route, after interval: Duration, now: Deadline
    ) -> Duration {
        let next = max(interval, min(interval * 2, Self.longestInterval))
        return change(route) { record in
            let known = record.complaint.flatMap { $0.isKnown(now) ? $0 : nil }
            let complaint = Complaint(
                interval: max(next, known?.interval ?? next), count: (known?.count ?? 0) + 1,
                last: now)
            record.complaint = complaint
            return complaint.interval
        }
    }

    private mutating func change<Result>(
        _ route: Route, _ body: (inout Record) -> Result
    ) -> Result {
        let way = Way(route)
        if records[way] == nil, records.count >= Self.maxWays { records.removeAll() }
        var record = records[way] ?? Record(route: route)
        defer { records[way] = record }
        return body(&record)
    }

    // MARK: What follows

    /// The settings of a new connection of the route.
    package func adapted(
        _ tuning: EngineTuning.HTTP2, for route: Route, now: Deadline
    ) -> EngineTuning.HTTP2 {
        guard let record = records[Way(route)] else { return tuning }
        return adapted(tuning, record, now)
    }

    private func adapted(
        _ tuning: EngineTuning.HTTP2, _ record: Record, _ now: Deadline
    ) -> EngineTuning.HTTP2 {
        var tuning = tuning
        if let complaint = record.complaint, complaint.isKnown(now) {
            tuning.pingAfter = tuning.pingAfter.map { max($0, complaint.interval) }
            tuning.idlePingAfter = tuning.idlePingAfter.map { max($0, complaint.interval) }
        }
        return tuning
    }

    // MARK: Forgetting and reporting

    /// A route of each way of which something is known.
    package var routes: [Route] { records.values.map(\.route) }

    /// Forgets the ways of these routes.
    package mutating func forget(_ routes: [Route]) {
        for route in routes { records[Way(route)] = nil }
    }

    /// The ways as users read of them, in no order.
    package func entries(
        _ tuning: EngineTuning.HTTP2, now: Deadline
    ) -> [EngineSnapshot.LearnedWay] {
        records.values.compactMap { record in
            guard let complaint = record.complaint, complaint.isKnown(now) else { return nil }
            var entry = EngineSnapshot.LearnedWay(route: record.route.description)
            entry.pingAfterSeconds = adapted(tuning, record, now).pingAfter?.inSeconds
            entry.pingComplaints = complaint.count
            return entry
        }
    }
}
