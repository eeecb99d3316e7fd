package import ApusCore
import ApusSocket

/// A file that TLS secrets are appended to.
package enum KeyLogFile {
    /// Opens the file; what is returned appends one line.
    ///
    /// - Throws: `TransportError` when it cannot be opened.
    package static func open(
        _ path: String
    ) throws(TransportError) -> @Sendable (String) -> Void {
        let file: AppendedFile
        do throws(SystemError) {
            file = try AppendedFile(path: path)
        } catch {
            throw TransportError(
                .resource(errno: error.errno), phase: .request,
                message: "\(path): \(error.description)")
        }
        return { line in file.append("\(line)\n") }
    }
}
