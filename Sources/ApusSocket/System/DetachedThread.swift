import CApusLinux

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A detached thread, which runs one function and ends.
package enum DetachedThread {
    /// Passes the function to the thread.
    fileprivate final class Entry {
        let name: String
        let body: @Sendable () -> Void

        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts a thread; `false` when the system cannot make one.
    package static func start(named name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
        let entry = Unmanaged.passRetained(Entry(name, body))
        var thread = pthread_t()
        guard unsafe pthread_create(&thread, nil, runDetachedThread, entry.toOpaque()) == 0 else {
            unsafe entry.release()
            return false
        }
        pthread_detach(thread)
        return true
    }
}

/// A top-level function: a closure literal passed to C could carry an isolation.
private func runDetachedThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context else { return nil }
    let entry = unsafe Unmanaged<DetachedThread.Entry>.fromOpaque(context).takeRetainedValue()
    unsafe capus_name_thread(entry.name)
    entry.body()
    return nil
}
