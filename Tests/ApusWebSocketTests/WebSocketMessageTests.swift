import Apus
import ApusWebSocket
import Testing

@Suite struct WebSocketMessageTests {
    @Test func aCloseIsReadAsItWasWritten() throws {
        for close in [
            WebSocketClose(.noStatus), WebSocketClose(.normal),
            WebSocketClose(.init(rawValue: 4999), reason: "κόσμε"),
        ] {
            #expect(try WebSocketClose(parsing: close.payload) == close)
        }
        #expect(WebSocketClose(.goingAway).description == "1001")
        #expect(WebSocketClose(.goingAway, reason: "x").description == "1001 (x)")
    }

    @Test func whichCodesMayBeSent() {
        let codes = (UInt16(0)...5010).filter { WebSocketCloseCode(rawValue: $0).maySend }
        #expect(codes == Array(1000...1003) + Array(1007...1014) + Array(3000...4999))
    }
}
