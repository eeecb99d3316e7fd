import CApusLinux

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A file to which lines are appended, each with one system call, so that writers do not
/// interleave.
package final class AppendedFile: Sendable {
    private let descriptor: FileDescriptor
    /// Whether writing may raise SIGPIPE, which ends a process that does not expect it.
    private let isPipe: Bool

    /// Opens the file, or creates it, readable by its owner only.
    package init(path: String) throws(SystemError) {
        let flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK
        let number = unsafe open(path, flags, 0o600)
        guard number >= 0 else { throw SystemError(call: "open") }
        descriptor = FileDescriptor(number)
        var facts = stat()
        isPipe = unsafe fstat(number, &facts) == 0 && facts.st_mode & S_IFMT == S_IFIFO
    }

    /// Appends a text; a text that cannot be written is dropped.
    package func append(_ text: String) {
        let bytes = Array(text.utf8)
        let write = {
            unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(self.descriptor.number, $0.baseAddress, $0.count)
            }
        }
        if isPipe { AppendedFile.withoutPipeSignal(write) } else { _ = write() }
    }

    /// Runs a write to a pipe whose reader may have closed it.
    ///
    /// SIGPIPE is delivered to the writing thread. It is blocked there during the write and
    /// consumed afterwards; a SIGPIPE that was pending before is kept.
    private static func withoutPipeSignal(_ write: () -> Int) {
        var signal = sigset_t()
        var pending = sigset_t()
        var before = sigset_t()
        unsafe sigemptyset(&signal)
        unsafe sigaddset(&signal, SIGPIPE)
        unsafe sigpending(&pending)
        unsafe pthread_sigmask(SIG_BLOCK, &signal, &before)
        if write() < 0, errno == EPIPE, unsafe sigismember(&pending, SIGPIPE) == 0 {
            var atOnce = timespec()
            while unsafe sigtimedwait(&signal, nil, &atOnce) < 0, errno == EINTR {}
        }
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
    }
}
