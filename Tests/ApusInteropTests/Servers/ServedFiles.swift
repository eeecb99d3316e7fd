import Apus
import ApusTLS
import Foundation
import Loopback

/// The files that every real server serves, in a temporary folder of this process.
///
/// Made when they are first asked for; `removeTemporaryFolder` ends them.
struct ServedFiles: Sendable {
    /// A file by its name, with what a reader must find in it.
    struct File: Sendable {
        let name: String
        let size: Int
        /// SHA-256, in lower-case hexadecimal.
        let digest: String

        var path: String { "/\(name)" }
    }

    static let kibibyte = 1024
    static let mebibyte = 1024 * 1024

    /// The folder that is served.
    let folder: String
    let empty: File
    let small: File
    let medium: File
    let large: File
    /// Plain text that servers like to compress.
    let text: File

    /// The temporary folder of this process.
    static let temporaryFolder = Result<String, any Error> {
        removeAbandonedFolders()
        let template = FileManager.default.temporaryDirectory.path + "/\(prefix)\(getpid())-XXXXXX"
        var name = Array(template.utf8CString)
        guard mkdtemp(&name) != nil else {
            throw ChildProcess.Failure(description: "\(template): \(errno)")
        }
        // A server that gives up root must be able to read it.
        chmod(name, 0o755)
        atexit(removeTemporaryFolder)
        return String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The files, made at first use.
    static let files = Result<ServedFiles, any Error> {
        try ServedFiles(folder: temporaryFolder.get() + "/site")
    }

    private static let prefix = "apus-interop-"

    private init(folder: String) throws {
        self.folder = folder
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        empty = try Self.write("empty.bin", count: 0, in: folder)
        small = try Self.write("small.bin", count: Self.kibibyte, in: folder)
        medium = try Self.write("medium.bin", count: Self.mebibyte, in: folder)
        large = try Self.write("large.bin", count: 100 * Self.mebibyte, in: folder)
        let lines = String(repeating: "All work and no play makes a dull page.\n", count: 2000)
        text = try Self.write("page.txt", blocks: [Array(lines.utf8)], in: folder)
    }

    /// The pattern repeats after this many bytes, so that long files are one block many times.
    private static let block = BodyPattern.bytes(64 * 1024, from: 0)

    /// `count` bytes of the loopback origin's pattern, in pieces of at most 64 KiB.
    static func pattern(_ count: Int) -> [[UInt8]] {
        let rest = count % block.count
        let whole = Array(repeating: block, count: count / block.count)
        return rest == 0 ? whole : whole + [Array(block[..<rest])]
    }

    private static func write(_ name: String, count: Int, in folder: String) throws -> File {
        try write(name, blocks: pattern(count), in: folder)
    }

    private static func write(_ name: String, blocks: [[UInt8]], in folder: String) throws -> File {
        let path = "\(folder)/\(name)"
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let file = FileHandle(forWritingAtPath: path)
        else {
            throw ChildProcess.Failure(description: "\(path) cannot be written")
        }
        for block in blocks { try file.write(contentsOf: Data(block)) }
        try file.close()
        return File(
            name: name, size: blocks.reduce(0) { $0 + $1.count }, digest: digest(of: blocks))
    }

    /// The SHA-256 digest of pieces in order.
    static func digest(of pieces: [[UInt8]]) -> String {
        let digest = SHA256Digest()
        for piece in pieces { digest.update(piece.span.bytes) }
        return digest.finalize()
    }

    /// Removes what test processes left that were killed before they could do so themselves.
    private static func removeAbandonedFolders() {
        let root = FileManager.default.temporaryDirectory
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        for name in names where name.hasPrefix(prefix) {
            let owner = name.dropFirst(prefix.count).prefix { $0.isNumber }
            guard let id = pid_t(owner), kill(id, 0) != 0, errno == ESRCH else { continue }
            try? FileManager.default.removeItem(at: root.appendingPathComponent(name))
        }
    }
}

/// Removes the temporary folder; runs when the process ends.
private func removeTemporaryFolder() {
    guard let folder = try? ServedFiles.temporaryFolder.get() else { return }
    try? FileManager.default.removeItem(atPath: folder)
}

/// A digest over a body's pieces, with their length.
final class RunningDigest {
    private let digest = SHA256Digest()
    private(set) var count = 0

    func update(_ piece: Bytes) {
        piece.withSpan { digest.update($0) }
        count += piece.count
    }

    func finalize() -> String { digest.finalize() }
}
