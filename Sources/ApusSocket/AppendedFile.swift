import Glibc

/// A file that lines are appended to, each with one system call, so that writers do not mix.
package final class AppendedFile: Sendable {
    private let descriptor: FileDescriptor

    /// Opens the file, or makes it, readable for its owner alone.
    package init(path: String) throws(SystemError) {
        let flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK
        let number = unsafe open(path, flags, 0o600)
        guard number >= 0 else { throw SystemError(call: "open") }
        descriptor = FileDescriptor(number)
    }

    /// Appends a text; one that cannot be written is lost.
    package func append(_ text: String) {
        let bytes = Array(text.utf8)
        _ = unsafe bytes.withUnsafeBytes {
            unsafe write(descriptor.number, $0.baseAddress, $0.count)
        }
    }
}
