import Dispatch
import Foundation

/// Sends the requests that the lines of the standard input name, each at once, and prints a line of
/// JSON for each of them when it has ended.
public struct ReplayRunner<Client: ReplayClient>: Sendable {
    private let client: Client

    /// Makes a runner over a client.
    public init(_ client: Client) {
        self.client = client
    }

    /// Runs until the standard input ends.
    public func run() async {
        await withDiscardingTaskGroup { group in
            for await request in Self.requests() {
                group.addTask { await send(request) }
            }
            group.cancelAll()
        }
    }

    private func send(_ request: ReplayRequest) async {
        let start = ContinuousClock.now
        var report = ReplayReport(id: request.number)
        do {
            let head = try await client.send(request)
            report.status = head.status
            report.version = head.version
            report.headMs = Self.milliseconds(since: start)
            report.bytes = try await head.readBody()
        } catch {
            report.error = "\(error)"
        }
        report.ms = Self.milliseconds(since: start)
        guard let line = try? JSONEncoder().encode(report) else { return }
        // Not by `print`: to flush all streams waits for the one that the reader holds.
        FileHandle.standardOutput.write(line + [0x0a])
    }

    /// The requests, read on a thread that may block.
    private static func requests() -> AsyncStream<ReplayRequest> {
        AsyncStream { continuation in
            DispatchQueue(label: "standard input").async {
                while let line = readLine() {
                    if let request = ReplayRequest(line) { continuation.yield(request) }
                }
                continuation.finish()
            }
        }
    }

    private static func milliseconds(since start: ContinuousClock.Instant) -> Double {
        (ContinuousClock.now - start) / .milliseconds(1)
    }
}

/// How a request ended.
private struct ReplayReport: Encodable {
    var id: Int
    var status = 0
    var version = ""
    var headMs = 0.0
    var ms = 0.0
    var bytes = 0
    /// What the client's error says; empty without one.
    var error = ""
}
