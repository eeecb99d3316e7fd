import Apus

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A file or the standard output, written in whole pieces.
struct FileOutput: Sendable {
    private let descriptor: Int32
    private let name: String

    static let standardOutput = FileOutput(descriptor: 1, name: "standard output")

    private init(descriptor: Int32, name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    /// Opens a file and truncates it; "-" is the standard output.
    static func create(_ path: String) throws(ToolError) -> FileOutput {
        guard path != "-" else { return standardOutput }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw ToolError.system("cannot write \(path)") }
        return FileOutput(descriptor: descriptor, name: path)
    }

    func write(_ bytes: Bytes) throws(ToolError) {
        let failure = bytes.withContiguousStorageIfAvailable { buffer in
            writeWhole(UnsafeRawBufferPointer(buffer), to: descriptor)
        }
        if let code = failure ?? nil { throw ToolError.system("cannot write \(name)", errno: code) }
    }

    func write(_ text: String) throws(ToolError) {
        try write(Bytes(text))
    }

    /// Closes the file; some write errors are only reported here.
    func close() throws(ToolError) {
        guard descriptor > 2 else { return }
        guard Glibc.close(descriptor) == 0 else {
            throw ToolError.system("cannot write \(name)")
        }
    }
}

/// Writes all bytes, however many calls it takes.
///
/// - Returns: the `errno` that ended it early, or `nil`.
func writeWhole(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32? {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = write(
            descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        if count > 0 {
            rest = rest.dropFirst(count)
        } else if errno == EAGAIN {
            // A terminal or pipe that another program made non-blocking.
            var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            poll(&waiting, 1, -1)
        } else if errno != EINTR {
            return errno
        }
    }
    return nil
}

/// A whole file, or the whole standard input for "-".
func readWhole(_ path: String) throws(ToolError) -> [UInt8] {
    let descriptor = path == "-" ? 0 : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw ToolError.system("cannot read \(path)") }
    defer { if descriptor > 0 { close(descriptor) } }
    var content: [UInt8] = []
    while let piece = try readPiece(of: descriptor, named: path) { content += piece }
    return content
}

/// Reads at most 64 KiB from a descriptor; `nil` at its end.
func readPiece(of descriptor: Int32, named name: String) throws(ToolError) -> [UInt8]? {
    while true {
        var code: Int32 = 0
        let piece = [UInt8](unsafeUninitializedCapacity: 64 * 1024) { buffer, count in
            let result = read(descriptor, buffer.baseAddress, buffer.count)
            code = result < 0 ? errno : 0
            count = max(0, result)
        }
        if code == 0 { return piece.isEmpty ? nil : piece }
        if code != EINTR { throw ToolError.system("cannot read \(name)", errno: code) }
    }
}

/// A file as an upload, read piece by piece while it is sent.
struct FilePieces: AsyncSequence, Sendable {
    typealias Element = Bytes
    typealias Failure = any Error

    let path: String
    /// Called with each piece's size.
    let progress: Progress

    func makeAsyncIterator() -> Iterator { Iterator(path: path, progress: progress) }

    /// Opens the file at the first piece, and closes it when it is released.
    final class Iterator: AsyncIteratorProtocol {
        private let path: String
        private let progress: Progress
        private var descriptor: Int32 = -1

        init(path: String, progress: Progress) {
            self.path = path
            self.progress = progress
        }

        deinit {
            if descriptor >= 0 { close(descriptor) }
        }

        func next() async throws -> Bytes? {
            if descriptor < 0 {
                descriptor = open(path, O_RDONLY | O_CLOEXEC)
                guard descriptor >= 0 else { throw ToolError.system("cannot read \(path)") }
            }
            guard let piece = try readPiece(of: descriptor, named: path) else { return nil }
            progress.sent(piece.count)
            return Bytes(piece)
        }
    }
}

/// The size of a regular file; `nil` for a pipe or a device, whose size is unknown.
func sizeOfFile(_ path: String) throws(ToolError) -> UInt64? {
    var information = stat()
    guard stat(path, &information) == 0 else { throw ToolError.system("cannot read \(path)") }
    guard information.st_mode & S_IFMT == S_IFREG else { return nil }
    return UInt64(information.st_size)
}
