import CApusLinux

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A failed system call and its `errno`.
package struct SystemError: Error, Sendable, Hashable, CustomStringConvertible {
    package let errno: Int32
    package let call: String

    package init(errno: Int32, call: String) {
        self.errno = errno
        self.call = call
    }

    /// Takes the error of the last call from this thread's `errno`.
    package init(call: String) {
        self.init(errno: Glibc.errno, call: call)
    }

    /// Whether it is a reset that came after the peer's end (FIN).
    ///
    /// One without a FIN before it is ECONNRESET. That holds of the first error of a TCP socket.
    package var isResetAfterEnd: Bool { errno == EPIPE }

    /// The call and the system's message, such as "recv: Connection reset by peer", and the limit
    /// that was reached, if one was.
    ///
    /// The call is left out for `connect`, because every error of it already says what failed.
    package var description: String {
        let message = SystemError.text(of: errno)
        let text = call == "connect" ? message : "\(call): \(message)"
        return limit.map { "\(text) (\($0))" } ?? text
    }

    /// The limit that was reached, in words; `nil` for other errors.
    private var limit: String? {
        switch errno {
        case EMFILE: return "the process is limited to \(SystemError.descriptorLimit()) descriptors"
        case ENFILE: return "the system's limit on open files, fs.file-max"
        case ENOBUFS, ENOMEM: return "the system has no memory for sockets"
        case EADDRNOTAVAIL where call == "bind":
            return "dial.localAddress is not an address of this machine"
        case EADDRNOTAVAIL where call == "connect":
            return
                "no free local port, see net.ipv4.ip_local_port_range, or no address of this family"
        default: return nil
        }
    }

    private static func descriptorLimit() -> String {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return "no more"
        }
        return "\(limit.rlim_cur)"
    }

    /// The system's message for an `errno`.
    package static func text(of errno: Int32) -> String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            guard let base = buffer.baseAddress else { return "error \(errno)" }
            unsafe base.initialize(repeating: 0, count: buffer.count)
            guard unsafe strerror_r(errno, base, buffer.count) == 0 else { return "error \(errno)" }
            return unsafe String(cString: base)
        }
    }
}
