public import Apus

/// A message of a web socket (RFC 6455, section 5.6).
public enum WebSocketMessage: Sendable, Hashable {
    /// A text.
    case text(String)
    /// Bytes of any meaning.
    case binary(Bytes)
}

/// The code of a Close: why a peer ends a web socket (RFC 6455, section 7.4).
public struct WebSocketCloseCode: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    /// The number, as it is sent.
    public let rawValue: UInt16

    /// Creates a code of any number.
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// 1000: the purpose of the connection is fulfilled.
    public static let normal = WebSocketCloseCode(rawValue: 1000)
    /// 1001: the peer goes away, as a server that shuts down.
    public static let goingAway = WebSocketCloseCode(rawValue: 1001)
    /// 1002: the other side broke the protocol.
    public static let protocolError = WebSocketCloseCode(rawValue: 1002)
    /// 1003: messages of this kind are not accepted.
    public static let unsupportedData = WebSocketCloseCode(rawValue: 1003)
    /// 1005: the Close named no code; it is never sent.
    public static let noStatus = WebSocketCloseCode(rawValue: 1005)
    /// 1007: a text was not valid UTF-8, or compressed data was malformed.
    public static let invalidPayload = WebSocketCloseCode(rawValue: 1007)
    /// 1008: a message breaks the peer's policy.
    public static let policyViolation = WebSocketCloseCode(rawValue: 1008)
    /// 1009: a message is larger than the peer accepts.
    public static let messageTooBig = WebSocketCloseCode(rawValue: 1009)
    /// 1010: the server did not agree to an extension that the client needs.
    public static let extensionMissing = WebSocketCloseCode(rawValue: 1010)
    /// 1011: the server met a condition that it did not expect.
    public static let internalError = WebSocketCloseCode(rawValue: 1011)
    /// 1012: the server restarts.
    public static let serviceRestart = WebSocketCloseCode(rawValue: 1012)
    /// 1013: the server is overloaded; try later.
    public static let tryAgainLater = WebSocketCloseCode(rawValue: 1013)

    /// Whether a Close may name the code: those that are registered for it, and 3000 to 4999.
    public var maySend: Bool {
        switch rawValue {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }

    /// The number as text.
    public var description: String { "\(rawValue)" }
}

/// The content of a Close.
public struct WebSocketClose: Sendable, Hashable, CustomStringConvertible {
    /// The most bytes that a reason has.
    public static let maxReason = 123

    /// Why the web socket ends; `noStatus` when the Close named no code.
    public let code: WebSocketCloseCode
    /// A reason in words, at most 123 bytes; often empty.
    ///
    /// It is what the peer sent, so it is not to be trusted.
    public let reason: String

    /// Creates the content of a Close.
    public init(_ code: WebSocketCloseCode, reason: String = "") {
        self.code = code
        self.reason = reason
    }

    /// The code and the reason.
    public var description: String { reason.isEmpty ? "\(code)" : "\(code) (\(reason))" }

    /// Whether the web socket ended as planned.
    var isNormal: Bool { code == .normal || code == .goingAway || code == .noStatus }

    /// Reads the payload of a Close frame.
    package init(parsing payload: Bytes) throws(WebSocketFault) {
        guard !payload.isEmpty else {
            self.init(.noStatus)
            return
        }
        guard payload.count >= 2 else { throw .protocolError("a Close has one byte") }
        let code = WebSocketCloseCode(rawValue: UInt16(payload[0]) << 8 | UInt16(payload[1]))
        guard code.maySend else { throw .protocolError("a Close names the code \(code)") }
        guard let reason = String(validating: payload.dropFirst(2), as: UTF8.self) else {
            throw .invalidText("the reason of a Close")
        }
        self.init(code, reason: reason)
    }

    /// The payload of a Close frame.
    package var payload: Bytes {
        guard code != .noStatus else { return .empty }
        let number = [UInt8(code.rawValue >> 8), UInt8(code.rawValue & 0xFF)]
        return Bytes(number + Array(reason.utf8))
    }
}
