import Apus
import Synchronization

/// What the pool holds and does in the course of a load, for people to read: `--explain`.
///
/// It goes to the standard error, so that the line of JSON stays alone on the standard output.
final class LoadExplanation: Sendable {
    /// How often one cause kept a request waiting, and for how long.
    private struct Wait {
        var count = 0
        var total = Duration.zero
        var longest = Duration.zero
    }

    /// How often the pool is looked at.
    private static let interval = Duration.seconds(1)

    private let engine: TransportEngine
    private let console = Console()
    private let waits = Mutex<[String: Wait]>([:])

    init(_ engine: TransportEngine) {
        self.engine = engine
    }

    /// Notes what a response says of its wait for a connection.
    func note(_ info: ExchangeInfo) {
        guard let cause = info.queuedFor else { return }
        let time = info.queued ?? .zero
        waits.withLock { waits in
            var wait = waits[cause.rawValue] ?? Wait()
            wait.count += 1
            wait.total += time
            wait.longest = max(wait.longest, time)
            waits[cause.rawValue] = wait
        }
    }

    /// Tells every second what the pool holds, until it is cancelled.
    func watch() async {
        while true {
            do {
                try await Task.sleep(for: LoadExplanation.interval)
            } catch {
                return
            }
            tellRoutes(of: engine.snapshot())
        }
    }

    /// Tells what is left, and what was done in all.
    func conclude() {
        let snapshot = engine.snapshot()
        tellRoutes(of: snapshot)
        let counters = snapshot.counters
        let closes = counters.closes.sorted { $0.key < $1.key }
            .map { "\($0.value) \(spelledOut($0.key))" }
        console.line(
            "* connections: \(counters.dials) dialled, \(counters.dialFailures) failed, "
                + "\(counters.abandonedDials) given up, "
                + "\(counters.connectionsOpened) opened; closed: "
                + (closes.isEmpty ? "none" : closes.joined(separator: ", ")))
        console.line(
            "* requests: \(counters.leases) got a connection, \(counters.reuses) a used one; "
                + "\(counters.waits) waited, \(counters.abandonedWaits) gave up, "
                + "\(counters.failedWaits) failed; \(counters.replays) sent again, "
                + "\(counters.refusals) refused")
        for (cause, wait) in waits.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
            console.line(
                "* waited for \(cause): \(wait.count), "
                    + "\(milliseconds(wait.total / wait.count)) on average, "
                    + "\(milliseconds(wait.longest)) at most")
        }
    }

    private func tellRoutes(of snapshot: EngineSnapshot) {
        for route in snapshot.routes { console.line("* \(route)") }
    }

    private func milliseconds(_ duration: Duration) -> String {
        "\((duration.inSeconds * 1000).fixed(1)) ms"
    }
}
