import Foundation
import Glibc
import Testing

/// One run of the tool `apus`: how it ended and what it wrote.
struct ToolRun {
    let code: Int32
    let output: String
    let errors: String

    /// Runs the tool to its end.
    ///
    /// - Parameter input: what it reads from its standard input.
    static func of(_ arguments: [String], input: String? = nil) async throws -> ToolRun {
        let base = try ServedFiles.temporaryFolder.get() + "/tool-\(UUID().uuidString)"
        defer { for name in ["", ".err", ".in"] { unlink(base + name) } }
        var descriptor: Int32?
        if let input {
            try input.write(toFile: base + ".in", atomically: true, encoding: .utf8)
            descriptor = open(base + ".in", O_RDONLY | O_CLOEXEC)
        }
        defer { if let descriptor { close(descriptor) } }
        let process = try ChildProcess(
            try #require(Programs.apus), arguments, input: descriptor, output: base,
            errors: base + ".err")
        let code = await process.waitForEnd()
        return ToolRun(
            code: code, output: try String(contentsOfFile: base, encoding: .utf8),
            errors: try String(contentsOfFile: base + ".err", encoding: .utf8))
    }

    /// What it wrote as JSON, a record a line.
    func records() throws -> [[String: Any]] {
        try output.split(separator: "\n").map { line in
            try #require(
                JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
        }
    }
}
