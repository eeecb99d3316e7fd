import Apus
import Loopback
import Testing

/// Bodies with a content coding.
@Suite(.timeLimit(.minutes(5))) struct ContentCodingTests {
    /// What would be a megabyte of zeros is 1 KiB on the wire, and stays 1 KiB.
    @Test("row 43, R23: a compressed body is delivered as it was sent")
    func aCompressedBodyIsNotDecoded() async throws {
        // The magic number of gzip, and bytes that no decoder would accept.
        let body = "\u{1F}~\u{8}" + String(repeating: "z", count: 1021)
        let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1024\r\n\r\n"
        try await withFaultStand([[.expectHead, .sendText(head + body)]]) { stand in
            let response = try await stand.engine.send(stand.request())
            #expect(response.head.headerFields[.contentEncoding] == "gzip")
            #expect(String(try await response.body.collect(upTo: 4096)) == body)
        }
    }
}
