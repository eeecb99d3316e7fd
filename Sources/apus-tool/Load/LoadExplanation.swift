import Apus
import Synchronization

/// The state of the pool during a load, for people: `--explain`.
///
/// It is printed on the standard error, so that the standard output has only the line of JSON.
final class LoadExplanation: Sendable {
    /// How many times requests waited for one cause, and for how long.
    private struct Wait {
        var count = 0
        var total = Duration.zero
        var longest = Duration.zero
    }

    /// The interval between two reports.
    private static let interval = Duration.seconds(1)

    private let engine: TransportEngine
    private let console = Console()
    private let waits = Mutex<[String: Wait]>([:])

    init(_ engine: TransportEngine) {
        self.engine = engine
    }

    /// Records a response's wait for a connection.
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

    /// Prints the state of the pool every second, until it is cancelled.
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

    /// Prints the final state and the counters.
    func conclude() {
        let snapshot = engine.snapshot()
        tellRoutes(of: snapshot)
        let counters = snapshot.counters
        let closes = counters.closes.sorted { $0.key < $1.key }
            .map { "\($0.value) \(spelledOut($0.key))" }
        console.line(
            "* connections: \(counters.dials) dialled, \(counters.dialFailures) failed, "
                + "\(counters.abandonedDials) abandoned, "
                + "\(counters.connectionsOpened) opened; closed: "
                + (closes.isEmpty ? "none" : closes.joined(separator: ", ")))
        console.line(
            "* requests: \(counters.leases) got a connection, \(counters.reuses) reused one; "
                + "\(counters.waits) waited, \(counters.abandonedWaits) abandoned, "
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
