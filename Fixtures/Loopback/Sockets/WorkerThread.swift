import CApusLinux

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Named threads: each runs one closure, and its starter joins it.
enum WorkerThread {
    /// Starts a thread; `nil` when the system cannot make one.
    static func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> pthread_t? {
        let work = Work(name: name, body: body)
        let box = Unmanaged.passRetained(work)
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        // One thread serves one connection, and there may be thousands.
        pthread_attr_setstacksize(&attributes, 1 << 20)
        var thread = pthread_t()
        guard pthread_create(&thread, &attributes, runWork, box.toOpaque()) == 0 else {
            box.release()
            return nil
        }
        return thread
    }

    static func join(_ thread: pthread_t) {
        pthread_join(thread, nil)
    }
}

private final class Work: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

/// The entry of every thread; `context` holds one retained `Work`.
private func runWork(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    let work = Unmanaged<Work>.fromOpaque(context).takeRetainedValue()
    // The kernel accepts at most 15 bytes.
    capus_name_thread(String(work.name.prefix(15)))
    work.body()
    return nil
}
