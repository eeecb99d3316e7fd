import Apus
import ArgumentParser
import Loopback

/// `apus measure readers`: many streams on one connection, with and without one that is not read.
struct ReadersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "readers",
        abstract: "Measure how long streams of one connection take next to one that is not read.")

    @Option(help: "Streams on the connection, the stopped one included.")
    var streams = 1000

    @Option(help: "What each of the others downloads, in KiB.")
    var size = 256

    @Option(help: "Runs of each kind, in turn.")
    var rounds = 3

    func validate() throws {
        guard (2...10_000).contains(streams) else {
            throw ValidationError("--streams: \(streams) is not in 2...10000")
        }
        guard (1...65_536).contains(size) else {
            throw ValidationError("--size: \(size) is not in 1...65536")
        }
        guard (1...100).contains(rounds) else {
            throw ValidationError("--rounds: \(rounds) is not in 1...100")
        }
    }

    func run() async throws {
        var options = LoopbackServer.Options()
        options.http2PriorKnowledge = true
        options.maxConcurrentStreams = streams
        let server = try LoopbackServer(options)
        defer { server.stop() }
        var free: [Double] = []
        var beside: [Double] = []
        // The first run of each kind includes one-time costs.
        _ = try await run(server.port, hasStoppedReader: false)
        for _ in 0..<rounds {
            free.append(try await run(server.port, hasStoppedReader: false))
            beside.append(try await run(server.port, hasStoppedReader: true))
        }
        let (without, with) = (median(free), median(beside))
        try write("\(streams - 1) streams of \(size) KiB on one connection, medians of \(rounds)")
        try write("all read                  \((without * 1000).fixed(0)) ms")
        try write("next to one that is not  \((with * 1000).fixed(0)) ms")
        try write("ratio                     \((with / without).fixed(2))")
    }

    /// Seconds until all but the stopped one are read.
    private func run(_ port: UInt16, hasStoppedReader: Bool) async throws -> Double {
        var tuning = EngineTuning.default
        tuning.http2.maxStreamsPerConnection = streams
        tuning.http2.maxConnectionsPerHost = 1
        let engine = try TransportEngine(tuning)
        let client = ExecutorClient(engine, versions: .http2Only)
        let url = "http://127.0.0.1:\(port)"
        // The peer's limit is known before the streams are opened.
        try await read(client, url + "/", 6)
        let stopped = hasStoppedReader ? try await client.send(.get(url + "/endless")) : nil
        let bytes = size << 10
        let clock = ContinuousClock()
        let start = clock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 1..<streams {
                group.addTask { try await read(client, "\(url)/bytes/\(bytes)", bytes) }
            }
            try await group.waitForAll()
        }
        let time = start.duration(to: clock.now).inSeconds
        guard engine.snapshot().connectionsOpened == 1 else {
            throw ToolError("more than one connection was needed")
        }
        withExtendedLifetime(stopped) {}
        await engine.shutdown(drain: .zero)
        return time
    }

    private func read(_ client: ExecutorClient, _ url: String, _ bytes: Int) async throws {
        var count = 0
        for try await chunk in try await client.send(.get(url)).body { count += chunk.count }
        guard count == bytes else { throw ToolError("\(count) of \(bytes) bytes arrived") }
    }

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private func write(_ line: String) throws {
        try FileOutput.standardOutput.write(line + "\n")
    }
}
