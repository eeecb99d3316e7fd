import ApusCore
package import ApusSocket

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Gives the body a loop of its own, and ends the loop's thread afterwards.
///
/// - Parameter load: how many exchanges the loop is to count.
package func withLoop<Result>(
    name: String = "apus-test", wakeInterval: Duration? = nil, load: Int = 0,
    _ body: (EventLoop) async throws -> Result
) async throws -> Result {
    let loop = try EventLoop(name: name, wakeInterval: wakeInterval)
    await loop.run { loop.load = load }
    do {
        let result = try await body(loop)
        await EventLoop.stopAndJoin([loop])
        return result
    } catch {
        await EventLoop.stopAndJoin([loop])
        throw error
    }
}

extension EventLoop {
    /// Runs a closure on the loop, as `execute` does, and waits for its result.
    package func run<Result: Sendable>(
        _ body: @escaping @Sendable () -> Result
    ) async -> Result {
        await withCheckedContinuation { continuation in
            execute { continuation.resume(returning: body()) }
        }
    }
}

/// A socket that is connected to a peer on this machine.
package func connectedSocket(to port: UInt16) throws -> StreamSocket {
    guard let address = SocketAddress(literal: "127.0.0.1", port: port) else {
        throw SystemError(errno: EINVAL, call: "connect")
    }
    let socket = try StreamSocket(for: address, tuning: EngineTuning.Dial())
    if try !socket.startConnecting(to: address) {
        // A guard against hanging, not a measure of time.
        var entry = pollfd(fd: socket.descriptor.number, events: Int16(POLLOUT), revents: 0)
        guard unsafe poll(&entry, 1, 60_000) == 1 else {
            throw SystemError(errno: ETIMEDOUT, call: "connect")
        }
    }
    try socket.finishConnecting()
    return socket
}
