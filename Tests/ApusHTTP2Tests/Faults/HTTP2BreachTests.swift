import Testing

@testable import ApusHTTP2

@Suite struct HTTP2BreachTests {
    @Test(arguments: [
        (HTTP2Breach.invalidField, "a field has a name or value that HTTP/2 forbids"),
        (.status(99), "the status code is 99"),
        (.bodyLength, "the body's length differs from Content-Length"),
        (.windowExceeded, "DATA exceeds the stream's window"),
        (.frame(nghttp2Code: -505), "a frame is invalid: Protocol error"),
        (.unknown(code: 77), "the stream was reset with error 77"),
    ])
    func aBreachIsAClause(breach: HTTP2Breach, text: String) {
        #expect(breach.description == text)
    }

    @Test(arguments: [
        (HTTP2Excess.fieldBytes(most: 9), "more than 9 bytes of fields"),
        (.fields(most: 9), "more than 9 fields"),
        (.informationalResponses(most: 9), "more than 9 informational responses"),
    ])
    func anExcessNamesItsBound(excess: HTTP2Excess, text: String) {
        #expect(excess.description == text)
    }

    @Test(arguments: [
        (HTTP2Flood.pings, "the peer floods the connection: PING"),
        (.emptyData, "the peer floods the connection: empty DATA"),
        (.unreadFrames, "the peer does not read what we send"),
        (.fieldSection, "a field section is four times its bound"),
    ])
    func aFloodIsASentence(flood: HTTP2Flood, text: String) {
        #expect(flood.sentence == text)
    }
}
