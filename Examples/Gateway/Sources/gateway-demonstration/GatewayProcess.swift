import Foundation

/// The gateway's own program as a child process, which ends with this one.
struct GatewayProcess: Sendable {
    private let program: ChildProgram

    /// Starts `gateway-server`, found beside this program, and waits until it listens.
    ///
    /// - Parameters:
    ///   - yaml: its configuration.
    ///   - folder: where the configuration and the log are written.
    ///   - keepsLog: whether the access log is kept, in `gateway.log`.
    init(yaml: String, in folder: URL, keepsLog: Bool) throws {
        let file = folder.appendingPathComponent("gateway.yaml")
        try yaml.write(to: file, atomically: true, encoding: .utf8)
        let log = folder.appendingPathComponent("gateway.log")
        try "".write(to: log, atomically: true, encoding: .utf8)
        program = try ChildProgram(
            "gateway-server", [file.path],
            standardError: keepsLog ? FileHandle(forWritingTo: log) : FileHandle.nullDevice)
    }

    var url: String { "http://127.0.0.1:\(program.port)" }

    /// Sends SIGTERM, which begins the drain.
    func terminate() { program.terminate() }

    /// Waits for the end, and returns the exit code.
    func wait() async -> Int32 { await program.wait() }

    /// What the process uses now.
    func usage() -> ProcessUsage { program.usage() }
}

/// Memory and descriptors of a process.
struct ProcessUsage {
    let megabytes: Double
    let descriptors: Int
    let threads: Int

    init(of process: Int32) {
        let folder = "/proc/\(process)"
        func number(_ name: String) -> Double {
            let text = (try? String(contentsOfFile: "\(folder)/status", encoding: .utf8)) ?? ""
            let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") } ?? ""
            return line.split(whereSeparator: \.isWhitespace).dropFirst().first
                .flatMap { Double($0) } ?? 0
        }
        megabytes = number("VmRSS") / 1024
        threads = Int(number("Threads"))
        descriptors =
            (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/fd").count) ?? 0
    }
}

/// Why the demonstration cannot go on.
struct DemonstrationError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
