import ApusCore
import Testing

@testable import ApusHTTP2

@Suite struct HTTP2ErrorTests {
    @Test(arguments: [
        (HTTP2Error(.protocolViolation(code: 1), .http1), "the peer speaks HTTP/1"),
        (HTTP2Error(.protocolViolation(code: 1), .reported("DATA: no stream")), "DATA: no stream"),
        (HTTP2Error(.protocolViolation(code: 1), .reported("")), "error 1"),
        (
            HTTP2Error(.protocolViolation(code: 9), .reported("")),
            "a field section breaks HPACK (RFC 7541), or has a name or value above 65536 bytes"
        ),
        (HTTP2Error(.abuse(.settings)), "the peer floods the connection: SETTINGS"),
        (
            HTTP2Error(.tooLarge, .size(.trailers, 70, most: 60)),
            "the request's trailers are 70 bytes of 60"
        ),
        (HTTP2Error(.closing), "the connection takes no new streams"),
        (HTTP2Error(.streamsExhausted), "every stream number was used"),
        (HTTP2Error(.ended(code: 2)), "ended by the caller"),
        (HTTP2Error(.internalFailure(-901)), "Out of memory"),
    ])
    func theMessageSaysWhatEndedTheConnection(error: HTTP2Error, message: String) {
        #expect(error.message == message)
    }
}
