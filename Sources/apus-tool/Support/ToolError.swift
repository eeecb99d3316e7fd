import Glibc

/// Something that the tool itself could not do: read a file, write an answer, start a server.
struct ToolError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }

    /// Names what was attempted and the system's own words for why it failed.
    static func system(_ attempt: String, errno code: Int32 = errno) -> ToolError {
        ToolError("\(attempt): \(String(cString: strerror(code)))")
    }
}
