import Apus
import Synchronization

/// The results of one row.
struct DemoResult: Sendable {
    let requests: Int
    let connections: Int
    let errors: Int
    /// In microseconds.
    let median: Double
    let percentile99: Double

    /// The percentage of requests that reused a connection.
    var reuse: Double { 100 * Double(max(0, requests - connections)) / Double(requests) }
}

/// The requests of one row, each through its own client.
struct DemoRun: Sendable {
    let engine: TransportEngine
    let route: DemoRoute

    func measure(requests: Int, concurrency: Int) async -> DemoResult {
        let counters = LoadCounters(speaker: "apus demo")
        let samples = LatencySamples(count: requests)
        let before = engine.snapshot().connectionsOpened
        await withDiscardingTaskGroup { group in
            for _ in 0..<min(concurrency, requests) {
                group.addTask {
                    while true {
                        let number = counters.take()
                        guard number < requests else { return }
                        let start = monotonicNanoseconds()
                        do {
                            try await exchange()
                        } catch {
                            counters.fail(error)
                        }
                        samples.record(monotonicNanoseconds() - start, for: number)
                    }
                }
            }
        }
        samples.sort()
        return DemoResult(
            requests: requests,
            connections: Int(engine.snapshot().connectionsOpened - before),
            errors: counters.errors, median: samples.percentile(0.5),
            percentile99: samples.percentile(0.99))
    }

    /// One request, as an executor sends it: make a client, send, read all.
    private func exchange() async throws {
        let client = ExecutorClient(engine, proxy: route.proxy, versions: route.versions)
        let response = try await client.send(try HTTPRequest.get(route.url))
        var count = 0
        for try await chunk in response.body { count += chunk.count }
        guard response.head.status == .ok, response.version == route.version, count == 1024 else {
            throw ToolError(
                "\(route.url): status \(response.head.status.code) over "
                    + "\(response.version.rawValue) with \(count) bytes")
        }
    }
}
