package import ApusCore

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Reads a file from its beginning, in large pieces.
package struct FileReader: ~Copyable {
    private static let chunkSize = 128 * 1024
    private let descriptor: FileDescriptor

    package init(path: String) throws(SystemError) {
        // Non-blocking, since opening a pipe would wait for its writer; files ignore the flag.
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else { throw SystemError(call: "open") }
        descriptor = FileDescriptor(number)
    }

    /// The next piece; `nil` at the end of the file.
    package func nextChunk() throws(SystemError) -> Bytes? {
        var code: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: FileReader.chunkSize) { buffer, count in
            var result: Int
            repeat {
                result = unsafe Glibc.read(descriptor.number, buffer.baseAddress, buffer.count)
            } while result < 0 && errno == EINTR
            if result < 0 { code = errno }
            count = max(0, result)
        }
        guard code == 0 else { throw SystemError(errno: code, call: "read") }
        return bytes.isEmpty ? nil : Bytes(bytes)
    }
}
