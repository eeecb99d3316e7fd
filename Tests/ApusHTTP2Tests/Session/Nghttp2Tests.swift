import CApusNghttp2
import Testing

@testable import ApusHTTP2

@Suite struct Nghttp2Tests {
    @Test(arguments: [
        (NGHTTP2_ERR_HTTP_HEADER.rawValue, HTTP2Breach.invalidField),
        (NGHTTP2_ERR_HTTP_MESSAGING.rawValue, .invalidMessage),
        (NGHTTP2_ERR_FLOW_CONTROL.rawValue, .flowControl),
        (NGHTTP2_ERR_PROTO.rawValue, .frame(nghttp2Code: -505)),
    ])
    func codesOfInvalidFramesAreBreaches(code: Int32, breach: HTTP2Breach) {
        #expect(Nghttp2.breach(code) == breach)
    }

    @Test func aSessionIsMadeWithItsCallbacks() throws {
        let session = try #require(Nghttp2.newSession())
        #expect(nghttp2_session_get_next_stream_id(session) == 1)
        nghttp2_session_del(session)
    }
}
