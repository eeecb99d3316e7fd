#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Waiting for and closing sockets.
enum Socket {
    /// POLLRDHUP, which Glibc declares only with GNU extensions.
    static let peerHasLeft: Int32 = 0x2000

    /// Waits until one of `events`, or until `deadline` on the monotonic clock.
    ///
    /// Returns the events; 0 when the deadline has passed.
    static func wait(_ descriptor: Int32, for events: Int32, until deadline: Int64?) -> Int32 {
        var entry = pollfd(fd: descriptor, events: Int16(truncatingIfNeeded: events), revents: 0)
        let ready = wait(&entry, 1, until: deadline)
        return ready > 0 ? Int32(entry.revents) : 0
    }

    /// Waits for several descriptors; returns how many are ready, 0 when the deadline has passed.
    static func wait(
        _ entries: UnsafeMutablePointer<pollfd>, _ count: Int, until deadline: Int64?
    ) -> Int32 {
        while true {
            var milliseconds: Int32 = -1
            if let deadline {
                let left = deadline - Monotonic.now()
                milliseconds = Int32(clamping: max(0, left) / 1_000_000)
            }
            let ready = poll(entries, nfds_t(count), milliseconds)
            if ready > 0 || (ready < 0 && errno != EINTR) { return ready }
            // poll counts whole milliseconds; the rest is slept.
            guard let deadline, ready == 0 else { continue }
            var left = deadline - Monotonic.now()
            guard left > 0 else { return 0 }
            left = min(left, 999_999)
            var rest = Monotonic.timespec(left)
            nanosleep(&rest, nil)
        }
    }

    /// Sleeps until `deadline`; `false` as soon as the peer has closed.
    static func sleep(_ descriptor: Int32, until deadline: Int64?) -> Bool {
        wait(descriptor, for: peerHasLeft, until: deadline) == 0
    }

    /// Makes the coming close a reset.
    static func resetOnClose(_ descriptor: Int32) {
        var value = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
    }

    /// Ends our direction and reads until the peer ends its own, for at most a second.
    ///
    /// Closing with unread bytes would be a reset, which can overtake the last response.
    static func lingeringClose(_ descriptor: Int32) {
        Glibc.shutdown(descriptor, Int32(SHUT_WR))
        let deadline = Monotonic.now() + 1_000_000_000
        withUnsafeTemporaryAllocation(byteCount: 64 * 1024, alignment: 16) { scratch in
            while wait(descriptor, for: Int32(POLLIN), until: deadline) != 0 {
                let flags = Int32(MSG_DONTWAIT)
                guard recv(descriptor, scratch.baseAddress, scratch.count, flags) > 0 else {
                    return
                }
            }
        }
    }

    /// Bounds every blocking read on the socket.
    static func setReceiveTimeout(_ descriptor: Int32, _ duration: Duration) {
        let nanoseconds = Monotonic.nanoseconds(duration)
        var value = timeval(
            tv_sec: Int(nanoseconds / 1_000_000_000),
            tv_usec: Int(nanoseconds % 1_000_000_000 / 1000))
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &value, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Whether neither side has ended the TCP connection.
    static func isEstablished(_ descriptor: Int32) -> Bool {
        // The first byte of `tcp_info` is the state; 1 is TCP_ESTABLISHED.
        var info = [UInt8](repeating: 0, count: 256)
        var length = socklen_t(info.count)
        let result = getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &info, &length)
        return result == 0 && info[0] == 1
    }
}
