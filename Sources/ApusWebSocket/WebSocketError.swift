public import Apus

/// Why a web socket was not opened, or ended.
public enum WebSocketError: Error, Sendable {
    /// The server did not switch protocols: its ordinary response, with a body to read.
    case refused(Response)
    /// The server switched protocols and broke the handshake (RFC 6455, section 4.1); the text says
    /// how.
    case badHandshake(String)
    /// The exchange or the connection failed.
    case transport(TransportError)
    /// The peer broke the protocol or a limit: the Close that was sent to it, with the reason.
    case violation(WebSocketClose)
    /// The peer's Close named another code than 1000 and 1001, or the call came after the closing
    /// handshake.
    case closed(WebSocketClose)
    /// The connection ended without a Close (1006).
    case truncated
    /// Nothing arrived in time after a ping.
    case pongMissing
    /// The closing handshake was not complete in time.
    case closeTimeout
    /// The call cannot be made like this; the text says why. Nothing was sent.
    case invalidUse(String)

    /// Whether the caller's own cancellation ended the call.
    public var isCancelled: Bool {
        if case .transport(let error) = self { error.isCancelled } else { false }
    }

    /// The failure of the exchange or the connection; `nil` for any other error.
    public var transportError: TransportError? {
        if case .transport(let error) = self { error } else { nil }
    }

    /// The response that refused; `nil` for any other error.
    public var response: Response? {
        if case .refused(let response) = self { response } else { nil }
    }
}

extension WebSocketError: CustomStringConvertible {
    /// One line: what failed, and how.
    public var description: String {
        switch self {
        case .refused(let response):
            "the server answered \(response.status.code), not a switch to websocket"
        case .badHandshake(let text): "the handshake is wrong: \(text)"
        case .transport(let error): error.description
        case .violation(let close): "the peer broke the protocol: \(close)"
        case .closed(let close): "the web socket was closed: \(close)"
        case .truncated: "the connection ended without a Close"
        case .pongMissing: "nothing arrived in time after a ping"
        case .closeTimeout: "the closing handshake was not complete in time"
        case .invalidUse(let text): text
        }
    }
}
