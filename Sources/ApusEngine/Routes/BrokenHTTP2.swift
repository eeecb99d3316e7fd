package import ApusCore

/// The ways on which HTTP/2 has failed, and for how long they speak HTTP/1.1 instead.
///
/// Two failures within a minute are enough, or one that proves it. After ten minutes one
/// request probes HTTP/2 while the others stay; its success ends the matter. Without clock or lock.
package struct BrokenHTTP2: Sendable {
    private enum State {
        /// Failures are counted. Exits: `.avoided`.
        case suspected
        /// HTTP/1.1 is spoken. Exits: `.probed`.
        case avoided(until: Deadline)
        /// One request tries HTTP/2 since then. Exits: `.avoided`; forgotten by its success.
        case probed(since: Deadline)
    }

    private struct Failure {
        let evidence: HTTP2Evidence
        let connection: UInt64
        let time: Deadline
    }

    private struct Record {
        /// A route of the way, for those who forget and those who report.
        let route: Route
        var state = State.suspected
        var failures: [Failure]
    }

    /// The most ways that are remembered; beyond, the memory begins anew.
    package static let maxWays = 1024
    /// How long a failure counts.
    static let memory = Duration.seconds(60)
    /// How many failures are enough.
    static let limit = 2
    /// How long HTTP/2 is avoided.
    static let time = Duration.seconds(600)
    /// How long the one request that probes is waited for.
    static let probeTime = Duration.seconds(60)

    private var records: [Way: Record] = [:]

    package init() {}

    package var isEmpty: Bool { records.isEmpty }

    /// Whether a request that begins now is to speak HTTP/1.1; the first one after the time probes.
    package mutating func avoids(_ route: Route, now: Deadline) -> Bool {
        let way = Way(route)
        switch records[way]?.state {
        case nil, .suspected: return false
        case .avoided(let end) where now < end: return true
        case .probed(let since) where now < since.advanced(by: Self.probeTime): return true
        case .avoided, .probed:
            records[way]?.state = .probed(since: now)
            return false
        }
    }

    /// HTTP/2 has failed on a connection.
    ///
    /// - Returns: what was held against the way, when it is avoided from now on; else `nil`.
    package mutating func failed(
        _ route: Route, _ evidence: HTTP2Evidence, on connection: UInt64, now: Deadline
    ) -> [HTTP2Evidence]? {
        let way = Way(route)
        if records[way] == nil, records.count >= Self.maxWays { records.removeAll() }
        var record = records[way] ?? Record(route: route, failures: [])
        record.failures.removeAll { $0.time.advanced(by: Self.memory) <= now }
        // What ends a connection ends many requests at once, and is one failure.
        let isKnown = record.failures.contains {
            $0.connection == connection && $0.evidence == evidence && evidence.isOfConnection
        }
        if !isKnown {
            record.failures.append(Failure(evidence: evidence, connection: connection, time: now))
        }
        let isEnough =
            switch record.state {
            case .suspected: evidence == .spokeHTTP1 || record.failures.count >= Self.limit
            case .probed: true
            // It began before.
            case .avoided: false
            }
        if isEnough { record.state = .avoided(until: now.advanced(by: Self.time)) }
        records[way] = record
        return isEnough ? record.failures.map(\.evidence) : nil
    }

    /// A head has come over HTTP/2: a probe has succeeded.
    ///
    /// Small requests may work where large ones fail, so it does not undo what is only suspected.
    package mutating func succeeded(_ route: Route) {
        let way = Way(route)
        if case .probed = records[way]?.state { records[way] = nil }
    }

    /// A route of each way with failures.
    package var routes: [Route] { records.values.map(\.route) }

    /// Forgets the ways of these routes.
    package mutating func forget(_ routes: [Route]) {
        for route in routes { records[Way(route)] = nil }
    }

    /// The ways that are avoided, with what was held against them and the time that is left.
    package func avoided(
        now: Deadline
    ) -> [(route: Route, evidence: [HTTP2Evidence], left: Duration)] {
        records.values.compactMap { record in
            let evidence = record.failures.map(\.evidence)
            switch record.state {
            case .suspected: return nil
            case .avoided(let end): return (record.route, evidence, max(.zero, end.since(now)))
            case .probed: return (record.route, evidence, .zero)
            }
        }
    }
}

extension HTTP2Evidence {
    /// Whether it ends a whole connection.
    fileprivate var isOfConnection: Bool {
        switch self {
        case .spokeHTTP1, .endedAtOnce, .refusedAtOnce: true
        case .streamReset, .silentStream: false
        }
    }
}
