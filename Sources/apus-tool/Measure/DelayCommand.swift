import Apus
import ArgumentParser
import Loopback

/// `apus measure delay`: a download over a path with latency, with fixed and with growing windows.
struct DelayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delay",
        abstract:
            "Measure a download over a path with latency, with fixed and with growing windows."
    )

    @Option(help: "The round trip, in milliseconds.")
    var roundTrip = 50

    @Option(help: "The download, in MiB.")
    var size = 100

    @Option(help: "Downloads of each kind, in turn.")
    var rounds = 1

    func validate() throws {
        guard (2...1000).contains(roundTrip) else {
            throw ValidationError("--round-trip: \(roundTrip) is not in 2...1000")
        }
        guard (8...1024).contains(size) else {
            throw ValidationError("--size: \(size) is not in 8...1024")
        }
        guard (1...100).contains(rounds) else {
            throw ValidationError("--rounds: \(rounds) is not in 1...100")
        }
    }

    func run() async throws {
        var options = LoopbackServer.Options()
        options.http2PriorKnowledge = true
        let server = try LoopbackServer(options)
        let relay = try DelayingRelay(
            to: server.port, delay: .microseconds(Int64(roundTrip) * 500))
        defer {
            relay.stop()
            server.stop()
        }
        let window = EngineTuning.default.http2.streamWindow
        let bound = Double(window) / (Double(roundTrip) / 1000)
        try write("round trip \(roundTrip) ms, \(size) MiB, window \(window / 1024) KiB")
        try write("limit of the window          \(rate(bound))")
        for _ in 0..<rounds {
            let fixed = try await download(from: relay.port, grows: false)
            try write("fixed window                 \(rate(fixed.whole))")
            let grown = try await download(from: relay.port, grows: true)
            try write("growing window, whole        \(rate(grown.whole))")
            try write("growing window, second half  \(rate(grown.secondHalf))")
        }
    }

    /// Bytes in a second over the whole download, and over its second half.
    private func download(
        from port: UInt16, grows: Bool
    ) async throws -> (whole: Double, secondHalf: Double) {
        var tuning = EngineTuning.default
        if !grows { tuning.http2.maxStreamWindow = tuning.http2.streamWindow }
        let engine = try TransportEngine(tuning)
        let client = ExecutorClient(engine, versions: .http2Only)
        let total = size << 20
        let clock = ContinuousClock()
        let start = clock.now
        var middle = start
        var count = 0
        let response = try await client.send(.get("http://127.0.0.1:\(port)/bytes/\(total)"))
        for try await chunk in response.body {
            if count < total / 2, count + chunk.count >= total / 2 { middle = clock.now }
            count += chunk.count
        }
        let end = clock.now
        await engine.shutdown()
        guard count == total else { throw ToolError("\(count) of \(total) bytes arrived") }
        return (
            Double(total) / start.duration(to: end).inSeconds,
            Double(total) / 2 / middle.duration(to: end).inSeconds
        )
    }

    private func rate(_ bytesPerSecond: Double) -> String {
        "\((bytesPerSecond / 1_048_576).fixed(1)) MiB/s".padded(toRight: 14)
    }

    private func write(_ line: String) throws {
        try FileOutput.standardOutput.write(line + "\n")
    }
}
