import Foundation
import Glibc
import Loopback
import Testing

/// One run of the tool `apus`: how it ended and what it wrote.
struct ToolRun {
    let code: Int32
    let output: String
    let errors: String

    /// Runs the tool to its end.
    ///
    /// - Parameters:
    ///   - input: what it reads from its standard input.
    ///   - variables: its environment, as `NAME=value`.
    static func of(
        _ arguments: [String], input: String? = nil, variables: [String] = []
    ) async throws -> ToolRun {
        let base = try ServedFiles.temporaryFolder.get() + "/tool-\(UUID().uuidString)"
        defer { for name in ["", ".err", ".in"] { unlink(base + name) } }
        var descriptor: Int32?
        if let input {
            try input.write(toFile: base + ".in", atomically: true, encoding: .utf8)
            descriptor = open(base + ".in", O_RDONLY | O_CLOEXEC)
        }
        defer { if let descriptor { close(descriptor) } }
        let process = try ChildProcess(
            try #require(Programs.path("env")),
            variables + [try #require(Programs.apus)] + arguments, input: descriptor, output: base,
            errors: base + ".err")
        let code = await process.waitForEnd()
        return ToolRun(
            code: code, output: try String(contentsOfFile: base, encoding: .utf8),
            errors: try String(contentsOfFile: base + ".err", encoding: .utf8))
    }

    /// Runs the tool with a library preloaded, which leaves numbers in the file that `variable`
    /// names.
    ///
    /// - Parameter source: the library's source, under Fixtures.
    static func of(
        _ arguments: [String], preloading source: String, countingIn variable: String
    ) async throws -> (run: ToolRun, counts: [Int]) {
        let folder = try ServedFiles.temporaryFolder.get()
        let file = "\(folder)/counts-\(UUID().uuidString)"
        defer { unlink(file) }
        let library = try await CCompiler.library(
            variable, from: "\(FixturePaths.root)/\(source)", in: folder)
        let run = try await of(
            arguments, variables: ["LD_PRELOAD=\(library)", "\(variable)=\(file)"])
        let counts = try String(contentsOfFile: file, encoding: .utf8)
            .split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        return (run, counts)
    }

    /// The record of a run that may have so many descriptors; `nil` where they are too few to run.
    static func record(
        descriptors limit: Int, _ arguments: [String]
    ) async throws -> [String: Any]? {
        let output = try ServedFiles.temporaryFolder.get() + "/tool-\(UUID().uuidString)"
        defer { unlink(output) }
        let process = try ChildProcess(
            "/bin/sh",
            [
                "-c", "ulimit -n \(limit); exec \"$@\" 2>/dev/null", "sh",
                try #require(Programs.apus),
            ] + arguments, output: output)
        _ = await process.waitForEnd()
        let text = try String(contentsOfFile: output, encoding: .utf8)
        return try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    }

    /// What it wrote as JSON, a record a line.
    func records() throws -> [[String: Any]] {
        try output.split(separator: "\n").map { line in
            try #require(
                JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
        }
    }
}
