import Apus
import ApusWebSocket
import Glibc

// The scenarios of Benchmarks/websocket on Apus: PORT SCENARIO COUNT SIZE.

/// A time of `getrusage`, in seconds.
private func seconds(_ time: timeval) -> Double {
    Double(time.tv_sec) + Double(time.tv_usec) / 1e6
}

/// The process's CPU time so far, in seconds.
private func cpuTime() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// The resident bytes of the process.
private func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 200)
    guard fgets(&line, 200, file) != nil else { return 0 }
    let text = String(
        decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let parts = text.split(separator: " ")
    return (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) * 4096
}

/// Two decimals.
private func rounded(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }

private struct Run {
    let engine: TransportEngine
    let port: String
    let scenario: String
    let count: Int
    let size: Int

    func open(_ path: String) async throws -> WebSocket {
        var options = WebSocketOptions()
        options.pings = nil
        return try await WebSocket.connect(
            "ws://127.0.0.1:\(port)\(path)", over: engine, options: options)
    }

    func play() async throws {
        if scenario == "idle" { return try await idle() }
        let path = scenario == "echo" ? "/echo" : "/\(scenario)/\(count)/\(size)"
        let socket = try await open(path)
        let message = WebSocketMessage.binary(Bytes([UInt8](repeating: 0, count: size)))
        let start = ContinuousClock.now
        let before = cpuTime()
        switch scenario {
        case "flood":
            var seen = 0
            try await socket.send("go")
            for try await _ in socket.messages { seen += 1 }
            precondition(seen == count, "\(seen) messages")
        case "sink":
            for _ in 0..<count { try await socket.send(message) }
            for try await _ in socket.messages {}
        default:
            for _ in 0..<count {
                try await socket.send(message)
                _ = try await socket.receive()
            }
        }
        let wall = (ContinuousClock.now - start) / .seconds(1)
        let cpu = (cpuTime() - before) / Double(count) * 1e6
        print("\(scenario) \(Int(Double(count) / wall)) \(rounded(cpu))")
    }

    private func idle() async throws {
        let before = residentBytes()
        var sockets: [WebSocket] = []
        while sockets.count < count {
            try await withThrowingTaskGroup(of: WebSocket.self) { group in
                for _ in 0..<min(100, count - sockets.count) {
                    group.addTask { try await open("/idle") }
                }
                for try await socket in group { sockets.append(socket) }
            }
        }
        print("idle \((residentBytes() - before) / count)")
        for socket in sockets { socket.cancel() }
    }
}

private let words = CommandLine.arguments
private var tuning = EngineTuning.default
tuning.eventLoops = 1
private let engine = try TransportEngine(tuning)
private let run = Run(
    engine: engine, port: words[1], scenario: words[2], count: Int(words[3]) ?? 0,
    size: Int(words[4]) ?? 0)
// The caller's code shares the connections' thread, as the programs it is compared with.
try await Task(executorPreference: engine.taskExecutor) { try await run.play() }.value
await engine.shutdown(drain: .zero)
