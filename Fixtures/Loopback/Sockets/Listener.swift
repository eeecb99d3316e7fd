#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Why a fixture could not be set up.
package struct LoopbackError: Error, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }

    /// Names the call that failed and its `errno`.
    static func system(_ call: String) -> LoopbackError {
        LoopbackError("\(call): \(String(cString: strerror(errno)))")
    }
}

/// A listening socket on a loopback address, one thread that accepts, one thread per connection.
///
/// It owns every descriptor: a connection's is closed here, under the same lock under which `stop`
/// shuts it down, so that a reused number is never affected.
final class Listener: Sendable {
    typealias Serve = @Sendable (_ descriptor: Int32, _ index: Int) -> Void

    let port: UInt16
    private let descriptor: Int32
    private let name: String
    private let state = Guarded(State())

    private struct State: Sendable {
        /// Open connections by index, counted from 0.
        var open: [Int: Int32] = [:]
        var accepted = 0
        /// Whether each accept counts the connections that their peers have not ended, and the
        /// maximum of those counts.
        var watchesEstablished = false
        var peakEstablished = 0
        /// Threads that ended after the listener began to stop, and must be joined.
        var finished: [pthread_t] = []
        var running = 0
        var acceptor: pthread_t?
        var phase = Phase.listening
    }

    private enum Phase {
        /// Accepts connections. Exits: `.stopping`.
        case listening
        /// A call of `stop` is running. Exits: `.stopped`.
        case stopping
        /// Everything is closed. No exits.
        case stopped
    }

    init(name: String, port: UInt16 = 0, ipv6: Bool = false) throws {
        self.name = name
        let address = SocketAddress.loopback(port: port, ipv6: ipv6)
        let socket = Glibc.socket(
            address.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw LoopbackError.system("socket") }
        var one: Int32 = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        guard address.withPointer({ bind(socket, $0, $1) }) == 0, listen(socket, 4096) == 0 else {
            let error = LoopbackError.system("bind or listen")
            close(socket)
            throw error
        }
        descriptor = socket
        self.port = SocketAddress.localPort(of: socket)
    }

    deinit {
        stop()
    }

    /// Starts accepting; called once.
    func start(_ serve: @escaping Serve) throws {
        let descriptor = descriptor
        let name = name
        let state = state
        let thread = WorkerThread.start(name + "-accept") {
            Listener.accept(on: descriptor, name, state, serve)
        }
        guard let thread else { throw LoopbackError.system("pthread_create") }
        state.withLock { $0.acceptor = thread }
    }

    /// Counts concurrent connections from now on by the kernel's state: a connection that its peer
    /// has closed does not count, even if its thread has not noticed.
    func watchEstablished() {
        state.withLock { $0.watchesEstablished = true }
    }

    /// The maximum at any accept since.
    var peakEstablished: Int { state.withLock { $0.peakEstablished } }

    /// Waits until a connection's socket is closed, blocking the calling thread.
    func waitUntilClosed(connection index: Int, timeout: Duration) -> Bool {
        state.wait(until: Monotonic.after(timeout)) { state in
            state.accepted > index && state.open[index] == nil ? true : nil
        } ?? false
    }

    /// Shuts one connection's socket down, if it is still open.
    func shutDown(connection index: Int, how: Int32) {
        state.withLock { state in
            if let descriptor = state.open[index] { Glibc.shutdown(descriptor, how) }
        }
    }

    /// Closes everything and joins every thread; must not be called from one of them.
    func stop() {
        let first = state.withLock { state in
            guard state.phase == .listening else { return false }
            state.phase = .stopping
            for descriptor in state.open.values { Glibc.shutdown(descriptor, Int32(SHUT_RDWR)) }
            return true
        }
        guard first else {
            _ = state.wait(until: nil) { $0.phase == .stopped ? true : nil }
            return
        }
        // On Linux this wakes a thread in accept.
        Glibc.shutdown(descriptor, Int32(SHUT_RDWR))
        if let acceptor = state.withLock({ $0.acceptor }) { WorkerThread.join(acceptor) }
        _ = state.wait(until: nil) { $0.running == 0 ? true : nil }
        Listener.joinFinished(state)
        close(descriptor)
        state.change { $0.phase = .stopped }
    }

    private static func joinFinished(_ state: Guarded<State>) {
        let finished = state.withLock { state in
            defer { state.finished = [] }
            return state.finished
        }
        for thread in finished { WorkerThread.join(thread) }
    }

    private static func accept(
        on listener: Int32, _ name: String, _ state: Guarded<State>, _ serve: @escaping Serve
    ) {
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            if descriptor < 0 {
                guard state.withLock({ $0.phase == .listening }) else { return }
                // Out of descriptors, or a peer that closed at once: neither ends the listener.
                if errno != ECONNABORTED && errno != EINTR { poll(nil, 0, 5) }
                continue
            }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            var one: Int32 = 1
            setsockopt(
                descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one,
                socklen_t(MemoryLayout<Int32>.size))
            start(descriptor, name, state, serve)
        }
    }

    /// The number of sockets that their peers hold open.
    ///
    /// A received FIN is processed only when the socket's reader releases it, which takes a moment
    /// on a busy machine: a new peak is checked again for at most 20 ms.
    private static func established(_ descriptors: [Int32], above peak: Int) -> Int {
        var left = descriptors
        for round in 0..<20 {
            if round > 0 { usleep(1000) }
            left = left.filter { Socket.isEstablished($0) }
            if left.count <= peak { break }
        }
        return left.count
    }

    private static func start(
        _ descriptor: Int32, _ name: String, _ state: Guarded<State>, _ serve: @escaping Serve
    ) {
        let index = state.withLock { state -> Int? in
            guard state.phase == .listening else { return nil }
            defer { state.accepted += 1 }
            state.open[state.accepted] = descriptor
            if state.watchesEstablished {
                state.peakEstablished = max(
                    state.peakEstablished,
                    established(Array(state.open.values), above: state.peakEstablished))
            }
            state.running += 1
            return state.accepted
        }
        guard let index else {
            close(descriptor)
            return
        }
        let thread = WorkerThread.start("\(name)-\(index)") {
            serve(descriptor, index)
            state.change { state in
                state.open[index] = nil
                close(descriptor)
                state.running -= 1
                // Before the stop no caller joins the thread; after it, `stop` does.
                if state.phase == .listening {
                    pthread_detach(pthread_self())
                } else {
                    state.finished.append(pthread_self())
                }
            }
        }
        guard thread == nil else { return }
        state.change { state in
            state.open[index] = nil
            close(descriptor)
            state.running -= 1
        }
    }
}
