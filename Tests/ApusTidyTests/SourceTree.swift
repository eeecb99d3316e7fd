import Foundation

/// The repository's files as the tidy tests see them: found from this file's own place.
enum SourceTree {
    /// The folder that holds `Package.swift`.
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Paths, from the root, of every file that is or may be committed.
    static let files: [String] = (filesOfGit() ?? filesOnDisk()).sorted()

    /// All of them that are text, read once for every test.
    static let textFiles = files.compactMap(SourceFile.init(path:))

    /// The files below any of `folders` whose names end in one of `endings`.
    static func files(under folders: [String], endings: [String]) -> [SourceFile] {
        textFiles
            .filter { file in folders.contains { file.path.hasPrefix($0 + "/") } }
            .filter { file in endings.contains { file.path.hasSuffix("." + $0) } }
    }

    /// The Swift files that people write: everything but the manifest.
    static let swiftFiles = files(
        under: ["Sources", "Fixtures", "Tests", "Benchmarks", "Examples"], endings: ["swift"])

    /// What git tracks, and what it would track: neither ignored files nor build products.
    private static func filesOfGit() -> [String]? {
        let git = Process()
        git.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        git.arguments = [
            "git", "-C", root.path, "ls-files", "-z", "--cached", "--others", "--exclude-standard",
        ]
        let output = Pipe()
        git.standardOutput = output
        git.standardError = FileHandle.nullDevice
        guard (try? git.run()) != nil else { return nil }
        let data = output.fileHandleForReading.readDataToEndOfFile()
        git.waitUntilExit()
        guard git.terminationStatus == 0 else { return nil }
        let paths = data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        // A file deleted but not yet committed is still listed.
        return paths.filter {
            FileManager.default.fileExists(atPath: root.appendingPathComponent($0).path)
        }
    }

    /// The same by walking, for a tree that came without git; hidden folders but `.ci` are left
    /// out.
    private static func filesOnDisk() -> [String] {
        let walk = FileManager.default.enumerator(atPath: root.path)
        var found: [String] = []
        while let path = walk?.nextObject() as? String {
            if path.hasPrefix("."), !path.hasPrefix(".ci"), !path.contains("/") {
                walk?.skipDescendants()
                if path != ".swift-format", path != ".editorconfig" { continue }
            }
            let isFile = walk?.fileAttributes?[.type] as? FileAttributeType == .typeRegular
            if isFile { found.append(path) }
        }
        return found
    }
}

/// One text file: its lines as written, and as code alone.
struct SourceFile: Sendable {
    /// From the root of the repository.
    let path: String
    let lines: [Substring]
    /// The lines with comments and the insides of string literals blanked out; empty when the file
    /// is no code.
    let code: [String]

    /// `nil` when the file is not text.
    init?(path: String) {
        let url = SourceTree.root.appendingPathComponent(path)
        guard let data = try? Data(contentsOf: url), !data.contains(0),
            let text = String(validating: data, as: UTF8.self)
        else { return nil }
        self.init(path: path, text: text)
    }

    /// A file that exists nowhere, for the tests of the tests.
    init(path: String, text: String) {
        self.path = path
        // A final line feed ends the last line; it does not begin another.
        let body = text.hasSuffix("\n") ? text.dropLast() : text[...]
        lines = body.split(separator: "\n", omittingEmptySubsequences: false)
        let isCode = [".swift", ".c", ".h"].contains { path.hasSuffix($0) }
        code = isCode ? SwiftCode.stripped(lines) : []
    }

    /// `path:line`, as editors and terminals take it.
    func place(_ index: Int) -> String { "\(path):\(index + 1)" }

}
