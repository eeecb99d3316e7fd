#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Copies bytes both ways between a proxy's client and an origin, on one thread.
///
/// Either side's end is passed on as an end of that direction only.
struct Relay {
    enum Outcome {
        /// Both directions have ended, or one side has closed.
        case ended
        /// The client's next bytes are for another origin.
        case interrupted
    }

    /// Moves the client's bytes; `false` interrupts the relay.
    typealias Forward = (_ client: ByteQueue, _ origin: ByteQueue) -> Bool

    /// The bytes that may wait for one side before the other is not read any more.
    private static let limit = 256 * 1024

    let client: Channel
    let origin: Channel
    private var hasClientEnded = false
    private var hasOriginEnded = false
    private var isClientShut = false
    private var isOriginShut = false

    init(client: Channel, origin: Channel) {
        self.client = client
        self.origin = origin
    }

    /// Moves everything.
    static func tunnel(_ client: ByteQueue, _ origin: ByteQueue) -> Bool {
        origin.append(client.readable)
        client.removeAll()
        return true
    }

    mutating func run(_ forward: Forward) -> Outcome {
        while true {
            guard forward(client.input, origin.output) else { return .interrupted }
            client.output.append(origin.input.readable)
            origin.input.removeAll()
            guard client.flush(waiting: false) != .failed,
                origin.flush(waiting: false) != .failed
            else { return .ended }
            passEndsOn()
            if isClientShut && isOriginShut { return .ended }
            guard wait() else { return .ended }
        }
    }

    private mutating func passEndsOn() {
        if hasClientEnded && !isOriginShut && !origin.hasPendingOutput {
            isOriginShut = true
            shutdown(origin.descriptor, Int32(SHUT_WR))
        }
        if hasOriginEnded && !isClientShut && !client.hasPendingOutput {
            isClientShut = true
            client.sendCloseNotify()
            shutdown(client.descriptor, Int32(SHUT_WR))
        }
    }

    /// Waits for either side and reads from it; `false` when the relay has ended.
    private mutating func wait() -> Bool {
        let isRoomForClient = origin.output.count < Relay.limit
        let isRoomForOrigin = client.output.count < Relay.limit
        var entries = [
            entry(client, reads: !hasClientEnded && isRoomForClient),
            entry(origin, reads: !hasOriginEnded && isRoomForOrigin),
        ]
        // A hang-up is reported even without requested events, and would make poll spin.
        if entries[1].events == 0 { entries[1].fd = -1 }
        guard Socket.wait(&entries, 2, until: nil) > 0 else { return false }
        let clientEvents = Int32(entries[0].revents)
        let originEvents = Int32(entries[1].revents)
        if clientEvents & Int32(POLLIN) != 0 {
            hasClientEnded = !read(client)
        } else if clientEvents & Int32(POLLHUP | POLLERR | POLLNVAL) != 0 {
            return false
        }
        if originEvents & Int32(POLLIN | POLLHUP | POLLERR | POLLNVAL) != 0 && !hasOriginEnded {
            hasOriginEnded = !read(origin)
        }
        // Both ends of the client's socket are shut: this is `stop`, or a reset.
        return clientEvents & Int32(POLLHUP) == 0
    }

    private func entry(_ channel: Channel, reads: Bool) -> pollfd {
        var events = reads ? Int32(POLLIN) : 0
        if channel.hasPendingOutput { events |= Int32(POLLOUT) }
        return pollfd(fd: channel.descriptor, events: Int16(events), revents: 0)
    }

    /// `false` when the direction is over.
    private func read(_ channel: Channel) -> Bool {
        switch channel.fill(waiting: false) {
        case .bytes, .nothing: true
        case .end, .failed: false
        }
    }
}
