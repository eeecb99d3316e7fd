import ApusCore
import ApusSocket
import Glibc
import Testing

/// What several threads note down in one order.
///
/// Unchecked, because `list` is touched only with the lock held.
final class Recorder<Value: Sendable>: @unchecked Sendable {
    private let lock = Lock()
    private var list: [Value] = []

    func record(_ value: Value) {
        lock.withLock { list.append(value) }
    }

    var values: [Value] { lock.withLock { list } }
    var count: Int { lock.withLock { list.count } }
}

/// A value that only one loop's thread touches, wherever its reference goes.
final class LoopBound<Value>: @unchecked Sendable {
    var value: Value

    init(_ value: Value) {
        self.value = value
    }
}

extension EventLoop {
    /// Waits until the closure calls what it is given, from wherever it likes.
    func wait(_ body: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            execute { body { continuation.resume() } }
        }
    }
}

/// Runs a closure on as many threads at once, and returns when all have ended.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) throws {
    var threads: [pthread_t] = []
    for index in 0..<count {
        var thread = pthread_t()
        let start = Unmanaged.passRetained(ThreadStart { body(index) })
        try #require(pthread_create(&thread, nil, runThread, start.toOpaque()) == 0)
        threads.append(thread)
    }
    for thread in threads { pthread_join(thread, nil) }
}

private final class ThreadStart {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
    }
}

private func runThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    Unmanaged<ThreadStart>.fromOpaque(context).takeRetainedValue().body()
    return nil
}

/// The names of this process's threads, as the kernel knows them.
func threadNames() -> [String] {
    guard let folder = opendir("/proc/self/task") else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
        let number = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        guard number.first != ".",
            let reader = try? FileReader(path: "/proc/self/task/\(number)/comm"),
            let chunk = try? reader.nextChunk()
        else { continue }
        names.append(String(String(chunk).dropLast()))
    }
    return names
}

/// A thread's name that no other test uses: the kernel keeps 15 bytes.
func uniqueThreadName() -> String {
    "t-" + String(UInt32.random(in: 0x1000_0000 ... .max), radix: 16)
}

/// Whether a condition comes true within the seconds given; looks again every millisecond.
func comesTrue(within seconds: Int64 = 10, _ condition: () -> Bool) -> Bool {
    let deadline = Deadline.now().advanced(by: .seconds(seconds))
    while !condition() {
        guard Deadline.now() < deadline else { return false }
        poll(nil, 0, 1)
    }
    return true
}

/// Waits until the descriptor is ready; `false` when it is not within ten seconds.
func isReady(_ number: Int32, for events: Int32) -> Bool {
    var entry = pollfd(fd: number, events: Int16(events), revents: 0)
    return poll(&entry, 1, 10_000) == 1
}

/// Whether the number is that of an open descriptor.
func isOpen(_ number: Int32) -> Bool {
    fcntl(number, F_GETFD) >= 0
}
