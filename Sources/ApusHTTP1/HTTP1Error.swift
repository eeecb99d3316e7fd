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
    package let rule: String

    package init(_ reason: Reason, _ rule: String) {
        self.reason = reason
        self.rule = rule
    }

    package var description: String { "\(reason): \(rule)" }
}

extension HTTP1Error {
    static func malformed(_ rule: String) -> HTTP1Error { HTTP1Error(.malformed, rule) }

    static func tooLarge(_ rule: String) -> HTTP1Error { HTTP1Error(.tooLarge, rule) }

    static func truncated(_ rule: String) -> HTTP1Error { HTTP1Error(.truncated, rule) }

    static func unsolicited(_ rule: String) -> HTTP1Error { HTTP1Error(.unsolicited, rule) }
}
