import CApusLinux
import Glibc

/// How loops end: let go, or waited for by a thread of its own.
extension EventLoop {
    /// Stops the loop without anybody waiting for its thread.
    package func stopAndDetach() {
        detach()
        stop()
    }

    /// Stops the loops and waits until their threads are gone.
    ///
    /// The waiting is done by a thread of its own, since the caller may run on one of the loops.
    package static func stopAndJoin(_ loops: [EventLoop]) async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let reaper = unsafe Unmanaged.passRetained(Reaper(loops, continuation))
            var thread = pthread_t()
            guard unsafe pthread_create(&thread, nil, runReaper, reaper.toOpaque()) == 0 else {
                // Out of threads: the loops end all the same, only nobody waits for them.
                for loop in loops { loop.stopAndDetach() }
                unsafe reaper.takeRetainedValue().continuation.resume()
                return
            }
            pthread_detach(thread)
        }
    }
}

/// Ends loops one after the other, then resumes whoever wanted that.
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

/// Thread entries are top-level functions: a closure literal given to C could carry an isolation.
private func runReaper(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context else { return nil }
    unsafe Unmanaged<Reaper>.fromOpaque(context).takeRetainedValue().run()
    return nil
}
