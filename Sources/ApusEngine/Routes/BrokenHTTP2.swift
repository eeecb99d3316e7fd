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
        var state = State.suspected
        var failures: [Failure]
    }

    /// How long a failure counts.
    static let memory = Duration.seconds(60)
    /// How many failures are enough.
    static let limit = 2
    /// How long HTTP/2 is avoided.
    static let time = Duration.seconds(600)
    /// How long the one request that probes is waited for.
    static let probeTime = Duration.seconds(60)

    private var records = WayRecords<Record>()

    package init() {}

    package var isEmpty: Bool { records.isEmpty }

    /// Whether a request that begins now is to speak HTTP/1.1; the first one after the time probes.
    package mutating func avoids(_ route: Route, now: Deadline) -> Bool {
        switch records[route]?.state {
        case nil, .suspected: return false
        case .avoided(let end) where now < end: return true
        case .probed(let since) where now < since.advanced(by: Self.probeTime): return true
        case .avoided, .probed:
            records[route]?.state = .probed(since: now)
            return false
        }
    }

    /// HTTP/2 has failed on a connection.
    ///
    /// - Returns: what was held against the way, when it is avoided from now on; else `nil`.
    package mutating func failed(
        _ route: Route, _ evidence: HTTP2Evidence, on connection: UInt64, now: Deadline
    ) -> [HTTP2Evidence]? {
        var record = records[route] ?? Record(failures: [])
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
        records[route] = record
        return isEnough ? record.failures.map(\.evidence) : nil
    }

    /// A head has come over HTTP/2: a probe has succeeded.
    ///
    /// Small requests may work where large ones fail, so it does not undo what is only suspected.
    package mutating func succeeded(_ route: Route) {
        if case .probed = records[route]?.state { records[route] = nil }
    }

    /// A route of each way with failures.
    package var routes: [Route] { records.routes }

    /// Forgets the ways of these routes.
    package mutating func forget(_ routes: [Route]) {
        records.forget(routes)
    }

    /// The ways that are avoided, with what was held against them and the time that is left.
    package func avoided(
        now: Deadline
    ) -> [(route: Route, evidence: [HTTP2Evidence], left: Duration)] {
        records.entries.compactMap { entry in
            let record = entry.record
            let evidence = record.failures.map(\.evidence)
            switch record.state {
            case .suspected: return nil
            case .avoided(let end): return (entry.route, evidence, max(.zero, end.since(now)))
            case .probed: return (entry.route, evidence, .zero)
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
