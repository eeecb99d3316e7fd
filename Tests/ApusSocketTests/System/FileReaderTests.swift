import ApusCore
import ApusSocket
import Glibc
import Testing

/// Files are read whole, and what cannot be read is an error.
@Suite(.timeLimit(.minutes(5))) struct FileReaderTests {
    @Test(arguments: [0, 1, 128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1, 300_000])
    func aFileIsReadWhole(count: Int) throws {
        let content = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        let path = try temporaryFile(content)
        defer { unlink(path) }
        let reader = try FileReader(path: path)
        var read: [UInt8] = []
        while let chunk = try reader.nextChunk() {
            #expect(!chunk.isEmpty)
            read += chunk
        }
        #expect(read == content)
        #expect(try reader.nextChunk() == nil)
    }

    @Test func aFileThatGrowsIsReadOn() throws {
        let path = try temporaryFile([1, 2])
        defer { unlink(path) }
        let reader = try FileReader(path: path)
        #expect(try reader.nextChunk() == Bytes([1, 2]))
        #expect(try reader.nextChunk() == nil)
        let number = open(path, O_WRONLY | O_APPEND)
        #expect(write(number, [3, 4] as [UInt8], 2) == 2)
        close(number)
        #expect(try reader.nextChunk() == Bytes([3, 4]))
    }

    @Test func aFileThatIsNotThereIsAnErrorOfOpen() {
        let error = #expect(throws: SystemError.self) { try openAndDrop("/nowhere/at/all") }
        #expect(error == SystemError(errno: ENOENT, call: "open"))
    }

    @Test func aFolderIsAnErrorOfRead() throws {
        let reader = try FileReader(path: "/")
        do {
            _ = try reader.nextChunk()
            Issue.record("a folder was read")
        } catch {
            #expect(error == SystemError(errno: EISDIR, call: "read"))
        }
    }

    @Test func aPipeWithoutAWriterDoesNotBlock() throws {
        let path = "/tmp/apus-pipe-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try #require(mkfifo(path, 0o600) == 0)
        defer { unlink(path) }
        let reader = try FileReader(path: path)
        #expect(try reader.nextChunk() == nil)
    }

    private func openAndDrop(_ path: String) throws(SystemError) {
        _ = try FileReader(path: path)
    }

    private func temporaryFile(_ content: [UInt8]) throws -> String {
        var template = Array("/tmp/apus-XXXXXX".utf8CString)
        let number = mkstemp(&template)
        try #require(number >= 0)
        defer { close(number) }
        var rest = content[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(number, $0.baseAddress, $0.count) }
            try #require(count > 0)
            rest = rest.dropFirst(count)
        }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
