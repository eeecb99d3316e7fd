#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A relay to a local port that delays every byte by a fixed time in each direction: a path with
/// latency and unlimited bandwidth.
package final class DelayingRelay: Sendable {
    package let port: UInt16
    private let listener: Listener

    /// - Parameter delay: the delay of a byte in one direction; a round trip takes twice as long.
    package init(to target: UInt16, delay: Duration) throws {
        listener = try Listener(name: "delaying")
        port = listener.port
        let nanoseconds = Monotonic.nanoseconds(delay)
        try listener.start { descriptor, _ in
            guard let origin = SocketAddress.loopback(port: target, ipv6: false).connect() else {
                return
            }
            var relay = DelayedPair(descriptor, origin, delay: nanoseconds)
            relay.run()
            close(origin)
        }
    }

    deinit {
        stop()
    }

    /// Closes everything and joins every thread; a second call does nothing.
    package func stop() {
        listener.stop()
    }
}

/// Both directions of one connection, on one thread.
private struct DelayedPair {
    private var up: DelayedDirection
    private var down: DelayedDirection

    init(_ client: Int32, _ origin: Int32, delay: Int64) {
        up = DelayedDirection(from: client, to: origin, delay: delay)
        down = DelayedDirection(from: origin, to: client, delay: delay)
    }

    mutating func run() {
        while !up.isOver || !down.isOver {
            let now = Monotonic.now()
            guard up.deliver(now), down.deliver(now) else { return }
            var entries = [
                pollfd(fd: up.source, events: events(reading: up, writing: down), revents: 0),
                pollfd(fd: down.source, events: events(reading: down, writing: up), revents: 0),
            ]
            // A hang-up is reported even without requested events, and would make poll spin.
            for index in entries.indices where entries[index].events == 0 {
                entries[index].fd = -1
            }
            // After the client has ended its direction, its full close is not reported.
            let look = up.isOver ? now &+ 50_000_000 : nil
            if look != nil, Socket.wait(up.source, for: 0, until: now) != 0 { return }
            let next = [up.nextDelivery, down.nextDelivery, look].compactMap { $0 }.min()
            guard Socket.wait(&entries, 2, until: next) >= 0 else { return }
            if entries[0].revents != 0, up.wantsInput { up.receive() }
            if entries[1].revents != 0, down.wantsInput { down.receive() }
        }
    }

    private func events(reading: DelayedDirection, writing: DelayedDirection) -> Int16 {
        var events: Int32 = reading.wantsInput ? Int32(POLLIN) : 0
        if writing.isBlocked { events |= Int32(POLLOUT) }
        return Int16(events)
    }
}

/// Bytes in transit from one socket to another.
private struct DelayedDirection {
    /// The bytes in transit above which the source is not read: enough for any window.
    private static let limit = 64 * 1024 * 1024

    let source: Int32
    private let sink: Int32
    private let delay: Int64
    /// Pieces and when they are due; those before `first` were delivered.
    private var pieces: [(due: Int64, bytes: [UInt8])] = []
    private var first = 0
    /// How much of the first piece was sent.
    private var sent = 0
    private var count = 0
    /// When the source's end is due, after it was received.
    private var end: Int64?
    private(set) var isBlocked = false
    private(set) var isOver = false

    init(from source: Int32, to sink: Int32, delay: Int64) {
        self.source = source
        self.sink = sink
        self.delay = delay
    }

    var wantsInput: Bool { end == nil && count < Self.limit }

    /// When the next piece is due; `nil` without a piece, or while the sink is full.
    var nextDelivery: Int64? {
        if isBlocked || isOver { return nil }
        return first < pieces.count ? pieces[first].due : end
    }

    /// Reads once.
    mutating func receive() {
        let due = Monotonic.now() &+ delay
        let bytes = [UInt8](unsafeUninitializedCapacity: 256 * 1024) { room, count in
            count = max(0, recv(source, room.baseAddress, room.count, Int32(MSG_DONTWAIT)))
        }
        if bytes.isEmpty {
            if errno != EAGAIN || isAtEnd { end = due }
            return
        }
        pieces.append((due, bytes))
        count += bytes.count
    }

    private var isAtEnd: Bool {
        var byte: UInt8 = 0
        return recv(source, &byte, 1, Int32(MSG_DONTWAIT | MSG_PEEK)) == 0
    }

    /// Sends due pieces; `false` when the sink has closed.
    mutating func deliver(_ now: Int64) -> Bool {
        isBlocked = false
        while first < pieces.count, pieces[first].due <= now {
            let piece = pieces[first].bytes
            let taken = piece.withUnsafeBytes { bytes in
                Glibc.send(
                    sink, bytes.baseAddress?.advanced(by: sent), bytes.count - sent,
                    Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
            }
            guard taken >= 0 else {
                isBlocked = errno == EAGAIN
                return isBlocked
            }
            sent += taken
            count -= taken
            if sent == piece.count { dropFirst() }
        }
        if let end, end <= now, first == pieces.count, !isOver {
            isOver = true
            shutdown(sink, Int32(SHUT_WR))
        }
        return true
    }

    private mutating func dropFirst() {
        pieces[first].bytes = []
        first += 1
        sent = 0
        guard first == pieces.count || first == 256 else { return }
        pieces.removeFirst(first)
        first = 0
    }
}
