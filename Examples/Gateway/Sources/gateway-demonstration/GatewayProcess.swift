import Foundation

/// The gateway's own program as a child process, which ends with this one.
final class GatewayProcess: Sendable {
    let port: Int
    private let process = Process()

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
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        process.executableURL = URL(fileURLWithPath: own).deletingLastPathComponent()
            .appendingPathComponent("gateway-server")
        process.arguments = [file.path]
        process.standardInput = FileHandle.nullDevice
        process.standardError =
            try keepsLog ? FileHandle(forWritingTo: log) : FileHandle.nullDevice
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let port = line.split(separator: " ").last.flatMap({ Int($0.dropLast()) }) else {
            throw DemonstrationError("the gateway does not listen: \(line)")
        }
        self.port = port
    }

    deinit {
        terminate()
    }

    var url: String { "http://127.0.0.1:\(port)" }

    /// Sends SIGTERM, which begins the drain.
    func terminate() {
        if process.isRunning { process.terminate() }
    }

    /// Waits for the end, and returns the exit code.
    func wait() async -> Int32 {
        while process.isRunning { try? await Task.sleep(for: .milliseconds(5)) }
        return process.terminationStatus
    }

    /// What the process uses now.
    func usage() -> ProcessUsage {
        ProcessUsage(of: process.processIdentifier)
    }
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
