#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// An open file descriptor, which is closed exactly once, when its only owner is released.
package struct FileDescriptor: ~Copyable, Sendable {
    package let number: Int32

    /// Takes ownership of an open descriptor.
    package init(_ number: Int32) {
        precondition(number >= 0, "not a descriptor: \(number)")
        self.number = number
    }

    deinit {
        // EINTR is not retried: Linux has closed the descriptor by then, and its number may be in
        // use again.
        close(number)
    }
}
