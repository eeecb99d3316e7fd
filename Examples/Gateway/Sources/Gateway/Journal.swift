import Apus
package import CoreMetrics
package import Logging
import Synchronization

/// Where each request is reported: the access log, the metrics and the last requests of the status
/// page.
package final class Journal: Sendable {
    /// How many requests the status page shows.
    package static let maxRecent = 20

    private let logger: Logger
    private let metrics: any MetricsFactory
    private let state = Mutex(State())

    package init(logger: Logger, metrics: any MetricsFactory) {
        self.logger = logger
        self.metrics = metrics
    }

    /// The requests since the start.
    package struct Totals: Sendable, Codable {
        package var begun = 0
        package var active = 0
        package var complete = 0
        package var clientGone = 0
        package var failed = 0
        /// Requests that needed more than one credential.
        package var rotated = 0
        package var usage = Usage()
    }

    fileprivate struct State {
        var totals = Totals()
        var recent: [JournalEntry] = []
    }

    package var totals: Totals { state.withLock(\.totals) }

    /// The last requests that have ended, the newest first.
    package var recent: [JournalEntry] { state.withLock { $0.recent.reversed() } }

    func begin(_ request: HTTPRequest, _ upstream: String) -> JournalEntry {
        let number = state.withLock { state in
            state.totals.begun += 1
            state.totals.active += 1
            return state.totals.begun
        }
        return JournalEntry(number: number, request, upstream: upstream)
    }

    func end(_ entry: JournalEntry) {
        var entry = entry
        entry.seconds = entry.elapsed
        state.withLock { $0.end(entry) }
        measure(entry)
        logger.info("request", metadata: entry.metadata)
    }

    private func measure(_ entry: JournalEntry) {
        let upstream = ("upstream", entry.upstream)
        let credential = ("credential", entry.credential ?? "")
        Counter(
            label: "gateway.requests",
            dimensions: [
                upstream, credential, ("status", entry.status.map { "\($0)" } ?? ""),
                ("outcome", entry.outcome.rawValue),
            ], factory: metrics
        ).increment()
        Timer(label: "gateway.request.duration", dimensions: [upstream], factory: metrics)
            .recordSeconds(entry.seconds)
        if let firstByte = entry.firstByte {
            Timer(label: "gateway.first_byte", dimensions: [upstream], factory: metrics)
                .recordSeconds(firstByte)
        }
        let tokens = [("input", entry.usage.input), ("output", entry.usage.output)]
        for (kind, count) in tokens where count > 0 {
            Counter(
                label: "gateway.tokens", dimensions: [upstream, credential, ("kind", kind)],
                factory: metrics
            ).increment(by: count)
        }
    }
}

extension Journal.State {
    fileprivate mutating func end(_ entry: JournalEntry) {
        totals.active -= 1
        switch entry.outcome {
        case .complete: totals.complete += 1
        case .clientGone: totals.clientGone += 1
        case .failed: totals.failed += 1
        }
        if entry.tries > 1 { totals.rotated += 1 }
        totals.usage.input += entry.usage.input
        totals.usage.output += entry.usage.output
        if recent.count == Journal.maxRecent { recent.removeFirst() }
        recent.append(entry)
    }
}
