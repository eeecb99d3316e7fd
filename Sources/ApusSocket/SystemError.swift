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

    /// The call and the system's own sentence, such as "connect: Connection refused".
    package var description: String { "\(call): \(SystemError.text(of: errno))" }

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
