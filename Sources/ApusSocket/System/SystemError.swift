import Glibc

/// A failed system call: which one, and its `errno`.
package struct SystemError: Error, Sendable, Hashable, CustomStringConvertible {
    package let errno: Int32
    package let call: String

    package init(errno: Int32, call: String) {
        self.errno = errno
        self.call = call
    }

    /// The error that the last call left in this thread's `errno`.
    package init(call: String) {
        self.init(errno: Glibc.errno, call: call)
    }

    /// The call and the system's own sentence, such as "connect: Connection refused", and where a
    /// limit was reached, which one.
    package var description: String {
        let text = "\(call): \(SystemError.text(of: errno))"
        return limit.map { "\(text) (\($0))" } ?? text
    }

    /// Which limit was reached, in words; `nil` for errors that are of no limit.
    private var limit: String? {
        switch errno {
        case EMFILE: return "the process may have \(SystemError.descriptorLimit()) descriptors"
        case ENFILE: return "the system's limit on open files, fs.file-max"
        case ENOBUFS, ENOMEM: return "the system has no memory left for sockets"
        case EADDRNOTAVAIL where call == "bind": return "dial.localAddress is not this machine's"
        case EADDRNOTAVAIL where call == "connect":
            return "no local port is free, net.ipv4.ip_local_port_range, or no address of its kind"
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

    /// The system's sentence for an `errno`.
    package static func text(of errno: Int32) -> String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            guard let base = buffer.baseAddress else { return "error \(errno)" }
            unsafe base.initialize(repeating: 0, count: buffer.count)
            guard unsafe strerror_r(errno, base, buffer.count) == 0 else { return "error \(errno)" }
            return unsafe String(cString: base)
        }
    }
}
