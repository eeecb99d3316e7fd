/// Why a response was refused: the kind of fault, and what was wrong.
package struct HTTP1Error: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds of fault that a peer can commit.
    package enum Reason: Sendable, Hashable {
        /// The bytes break the grammar or contradict each other.
        case malformed
        /// The peer sent more than a limit allows.
        case tooLarge
        /// The stream ended inside a message.
        case truncated
        /// Bytes arrived without a request.
        case unsolicited
    }

    package let reason: Reason
    /// What was wrong, in words; never a byte of the message, which may be secret.
    package let message: String

    package init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    package var description: String { "\(reason): \(message)" }
}

extension HTTP1Error {
    static func malformed(_ message: String) -> HTTP1Error { HTTP1Error(.malformed, message) }

    static func tooLarge(_ message: String) -> HTTP1Error { HTTP1Error(.tooLarge, message) }

    static func truncated(_ message: String) -> HTTP1Error { HTTP1Error(.truncated, message) }

    static func unsolicited(_ message: String) -> HTTP1Error { HTTP1Error(.unsolicited, message) }
}
