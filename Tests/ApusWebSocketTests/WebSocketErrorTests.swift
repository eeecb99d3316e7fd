import Apus
import ApusWebSocket
import Testing

@Suite struct WebSocketErrorTests {
    @Test func anErrorSaysWhatFailed() {
        let cancelled = TransportError(.cancelled, phase: .head, message: "cancelled")
        let all: [(WebSocketError, String)] = [
            (.refused(Response(HTTPResponse(status: .forbidden))), "403"),
            (.badHandshake("no Upgrade"), "no Upgrade"), (.transport(cancelled), "cancelled"),
            (.violation(WebSocketClose(.protocolError, reason: "why")), "1002 (why)"),
            (.closed(WebSocketClose(.internalError)), "1011"), (.truncated, "without a Close"),
            (.pongMissing, "ping"), (.closeTimeout, "closing"), (.invalidUse("this"), "this"),
        ]
        for (error, words) in all {
            #expect(error.description.contains(words))
            #expect(error.isCancelled == (error.transportError != nil))
            #expect((error.response?.status == .forbidden) == error.description.contains("403"))
        }
    }
}
