import Apus

/// A breach of the protocol by the peer, with the code that our Close reports.
package struct WebSocketFault: Error, Sendable, Hashable {
    /// The code of the Close that is sent.
    package let code: WebSocketCloseCode
    /// What the peer did, in words.
    package let message: String

    package init(_ code: WebSocketCloseCode, _ message: String) {
        self.code = code
        self.message = message
    }

    static func protocolError(_ message: String) -> WebSocketFault {
        WebSocketFault(.protocolError, message)
    }

    static func invalidText(_ what: String) -> WebSocketFault {
        WebSocketFault(.invalidPayload, "\(what) is not valid UTF-8")
    }

    static func tooLarge(_ what: String, limit: Int) -> WebSocketFault {
        WebSocketFault(.messageTooBig, "\(what) has more than \(limit) bytes")
    }
}
