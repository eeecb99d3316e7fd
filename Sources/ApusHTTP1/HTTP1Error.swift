/// Why a response was refused: what kind of fault, and the rule that it broke.
package struct HTTP1Error: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds of fault that a peer can commit.
    package enum Reason: Sendable, Hashable {
        /// The bytes break the grammar, or say two different things.
        case malformed
        /// The peer sent more than a bound allows.
        case tooLarge
        /// The stream ended inside a message.
        case truncated
        /// Bytes came that no request asked for.
        case unsolicited
    }

    package let reason: Reason
    /// The rule that was broken, as a sentence; never a byte of the message, which may be secret.
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
