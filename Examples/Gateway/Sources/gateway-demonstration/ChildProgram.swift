import Foundation

/// A program beside this one, as a child process that listens and ends with this one.
final class ChildProgram: Sendable {
    let port: Int
    private let process = Process()
    /// The child's standard input: it ends when this program does, whatever the reason.
    private let input = Pipe()

    /// Starts the program and waits until it prints the port that it listens on, as the last word
    /// of a line.
    ///
    /// - Parameter standardError: where its messages go.
    init(
        _ name: String, _ arguments: [String],
        standardError: FileHandle = FileHandle.nullDevice
    ) throws {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        process.executableURL = URL(fileURLWithPath: own).deletingLastPathComponent()
            .appendingPathComponent(name)
        process.arguments = arguments
        process.standardInput = input
        process.standardError = standardError
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let port = line.split(separator: " ").last.flatMap({ Int($0.dropLast()) }) else {
            process.terminate()
            throw DemonstrationError("\(name) does not listen: \(line)")
        }
        self.port = port
    }

    deinit {
        terminate()
    }

    /// Sends SIGTERM.
    func terminate() {
        if process.isRunning { process.terminate() }
    }

    /// Sends SIGKILL: the system closes its connections.
    func kill() {
        if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
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
