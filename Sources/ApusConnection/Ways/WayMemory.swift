package import ApusCore
import ApusHTTP2

/// What the connections of each way have shown, for the PINGs of later ones.
///
/// A peer that ends a connection with `too_many_pings` gets PINGs half as often from then on. A way
/// that cuts two connections after about the same silence, although they carry exchanges, gets
/// PINGs before that silence is over, unless its peer complains of them. How long PINGs take says
/// how long the next one may be unanswered, and that they are answered at all. What was learned is
/// forgotten after `memory` without another sign of it. Without clock or lock.
package struct WayMemory: Sendable {
    /// How long PINGs take.
    private struct PingTime {
        let time: Duration
        let last: Deadline

        /// Whether it still counts.
        func isKnown(_ now: Deadline) -> Bool { now < last.advanced(by: WayMemory.memory) }
    }

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
        var complaint: Complaint?
        var silence = SilenceMemory()
        var pingTime: PingTime?
    }

    /// How long something learned counts without another sign of it.
    static let memory = Duration.seconds(6 * 3600)
    /// The longest silence before a PING, unless the tuning has a longer one.
    static let longestInterval = Duration.seconds(600)
    /// The shortest silence before a PING, unless the tuning has a shorter one.
    static let shortestInterval = Duration.seconds(1)
    /// The part of the way's silence after which a PING is sent, in percent.
    static let pingPercentage = 60

    private var records = WayRecords<Record>()

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

    /// A connection with an open exchange was cut after this silence in both directions.
    ///
    /// - Returns: the way's limit, when the cut agrees with it.
    package mutating func wasCut(
        on route: Route, after silence: Duration, now: Deadline
    ) -> SilenceLimit? {
        change(route) { $0.silence.wasCut(after: silence, now: now) }
    }

    /// A connection has outlived this silence in both directions.
    package mutating func outlived(_ silence: Duration, on route: Route) {
        records[route]?.silence.outlived(silence)
    }

    /// A PING was acknowledged after this time, or, where it is `nil`, in good time.
    package mutating func pingAcknowledged(
        on route: Route, after time: Duration?, now: Deadline
    ) {
        change(route) { record in
            let known = record.pingTime.flatMap { $0.isKnown(now) ? $0.time : nil }
            let next = time.map { HTTP2Liveness.pingTime(known, $0) }
            record.pingTime = PingTime(time: next ?? known ?? .zero, last: now)
        }
    }

    private mutating func change<Result>(
        _ route: Route, _ body: (inout Record) -> Result
    ) -> Result {
        var record = records[route] ?? Record()
        defer { records[route] = record }
        return body(&record)
    }

    // MARK: What follows

    /// What a new connection of the route is to know.
    package func lessons(
        for route: Route, _ tuning: EngineTuning.HTTP2, now: Deadline
    ) -> WayLessons {
        lessons(records[route], tuning, now)
    }

    private func lessons(
        _ record: Record?, _ tuning: EngineTuning.HTTP2, _ now: Deadline
    ) -> WayLessons {
        var lessons = WayLessons(pingAfter: tuning.pingAfter, idlePingAfter: tuning.idlePingAfter)
        guard let record else { return lessons }
        lessons.silenceLimit = record.silence.limit(now: now)
        lessons.pingTime = record.pingTime.flatMap { $0.isKnown(now) ? $0.time : nil }
        if let complaint = record.complaint, complaint.isKnown(now) {
            lessons.pingAfter = lessons.pingAfter.map { max($0, complaint.interval) }
            lessons.idlePingAfter = lessons.idlePingAfter.map { max($0, complaint.interval) }
        } else if let limit = lessons.silenceLimit {
            let interval = max(limit.silence * Self.pingPercentage / 100, Self.shortestInterval)
            lessons.pingAfter = lessons.pingAfter.map { min($0, interval) }
        }
        return lessons
    }

    // MARK: Forgetting and reporting

    /// A route of each way of which something is known.
    package var routes: [Route] { records.routes }

    /// Forgets the ways of these routes.
    package mutating func forget(_ routes: [Route]) {
        records.forget(routes)
    }

    /// The ways as users read of them, in no order.
    package func entries(
        _ tuning: EngineTuning.HTTP2, now: Deadline
    ) -> [EngineSnapshot.LearnedWay] {
        records.entries.compactMap { kept in
            let record = kept.record
            let lessons = lessons(record, tuning, now)
            let complaint = record.complaint.flatMap { $0.isKnown(now) ? $0 : nil }
            let isKnown = lessons.silenceLimit != nil || lessons.pingTime != nil
            guard complaint != nil || isKnown else { return nil }
            var entry = EngineSnapshot.LearnedWay(route: kept.route.description)
            entry.pingAfterSeconds = lessons.pingAfter?.inSeconds
            entry.pingComplaints = complaint?.count ?? 0
            entry.silenceLimitSeconds = lessons.silenceLimit?.silence.inSeconds
            entry.silenceLimitSeen = lessons.silenceLimit?.count ?? 0
            entry.pingTimeSeconds = lessons.pingTime?.inSeconds
            return entry
        }
    }
}
