import ApusSocket
import Glibc
import Testing

/// Lines are appended whole, and what cannot be written is lost without harm.
@Suite struct AppendedFileTests {
    @Test func aPipeWhoseReaderHasGoneRaisesNoSignal() throws {
        let path = "/tmp/apus-test-pipe-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try #require(mkfifo(path, 0o600) == 0)
        defer { unlink(path) }
        let reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        try #require(reader >= 0)
        let file = try AppendedFile(path: path)
        file.append("one\n")
        var buffer = [UInt8](repeating: 0, count: 16)
        #expect(read(reader, &buffer, buffer.count) == 4)
        close(reader)
        // The signal would end the process.
        for _ in 0..<3 { file.append("two\n") }
        #expect(isPending(SIGPIPE) == false)
        #expect(isBlocked(SIGPIPE) == false)
    }

    @Test func aSignalThatIsBlockedStaysBlocked() throws {
        let path = "/tmp/apus-test-pipe-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try #require(mkfifo(path, 0o600) == 0)
        defer { unlink(path) }
        let reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        let file = try AppendedFile(path: path)
        close(reader)
        var set = sigset_t()
        var before = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &set, &before)
        file.append("one\n")
        #expect(isBlocked(SIGPIPE))
        #expect(isPending(SIGPIPE) == false)
        pthread_sigmask(SIG_SETMASK, &before, nil)
    }

    @Test func linesAreAppendedInTheirOrder() throws {
        let path = "/tmp/apus-test-log-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { unlink(path) }
        do {
            let file = try AppendedFile(path: path)
            file.append("one\n")
        }
        try AppendedFile(path: path).append("two\n")
        let stream = open(path, O_RDONLY | O_CLOEXEC)
        defer { close(stream) }
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = read(stream, &buffer, buffer.count)
        #expect(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self) == "one\ntwo\n")
    }

    private func isPending(_ signal: Int32) -> Bool {
        var set = sigset_t()
        sigpending(&set)
        return sigismember(&set, signal) == 1
    }

    private func isBlocked(_ signal: Int32) -> Bool {
        var set = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &set)
        return sigismember(&set, signal) == 1
    }
}
