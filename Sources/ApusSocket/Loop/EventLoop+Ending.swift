import CApusLinux

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Ending loops, with or without waiting for their threads.
extension EventLoop {
    /// Stops the loop without waiting for its thread.
    package func stopAndDetach() {
        detach()
        stop()
    }

    /// Stops the loops and waits until their threads have ended.
    ///
    /// A separate thread waits, since the caller may run on one of the loops.
    package static func stopAndJoin(_ loops: [EventLoop]) async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let reaper = unsafe Unmanaged.passRetained(Reaper(loops, continuation))
            var thread = pthread_t()
            guard unsafe pthread_create(&thread, nil, runReaper, reaper.toOpaque()) == 0 else {
                // No thread can be made: the loops still end, but without anyone waiting for them.
                for loop in loops { loop.stopAndDetach() }
                unsafe reaper.takeRetainedValue().continuation.resume()
                return
            }
            pthread_detach(thread)
        }
    }
}

/// Joins loops one after the other, then resumes the caller.
private final class Reaper {
    private let loops: [EventLoop]
    let continuation: UnsafeContinuation<Void, Never>

    init(_ loops: [EventLoop], _ continuation: UnsafeContinuation<Void, Never>) {
        self.loops = loops
        unsafe self.continuation = continuation
    }

    func run() {
        for loop in loops { loop.stop() }
        for loop in loops { loop.join() }
        unsafe continuation.resume()
    }
}

/// A top-level function: a closure literal passed to C could carry an isolation.
private func runReaper(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context else { return nil }
    unsafe Unmanaged<Reaper>.fromOpaque(context).takeRetainedValue().run()
    return nil
}
