#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A failure of the tool itself: to read a file, write a response or start a server.
struct ToolError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }

    /// Creates an error with the attempt and the system's message.
    static func system(_ attempt: String, errno code: Int32 = errno) -> ToolError {
        ToolError("\(attempt): \(String(cString: strerror(code)))")
    }
}
