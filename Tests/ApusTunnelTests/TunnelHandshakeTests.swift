import ApusCore
import ApusTunnel
import HTTPTypes
import Testing

/// What is common to handshakes of every kind.
@Suite struct TunnelHandshakeTests {
    @Test func onlyARefusedConnectMayBeFollowedByAnother() throws {
        var handshakes = [
            TunnelHandshake.connect(to: "a:443", fields: [:], limits: .init()),
            try .socks4a(to: .name("a", port: 443), credentials: nil),
            try .socks5(to: .name("a", port: 443), credentials: nil),
        ]
        #expect(handshakes.map(\.mayAskAgain) == [false, false, false])
        var (output, offset): ([UInt8], Int) = ([], 0)
        try handshakes[0].start(output: &output)
        let refusal = Array(
            "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n".utf8)
        let error = #expect(throws: TunnelError.self) {
            try refusal.withSpan { span in
                _ = try handshakes[0].bytesReceived(span, offset: &offset, output: &output)
            }
        }
        #expect(error?.name == "refused 407")
        #expect(handshakes[0].mayAskAgain)
    }

    @Test func anEarlyEndClosesEachKind() throws {
        var handshakes = [
            TunnelHandshake.connect(to: "a:443", fields: [:], limits: .init()),
            try .socks4a(to: .name("a", port: 443), credentials: nil),
            try .socks5(to: .name("a", port: 443), credentials: nil),
        ]
        for index in handshakes.indices {
            var output: [UInt8] = []
            try handshakes[index].start(output: &output)
            #expect(handshakes[index].streamEnded() == .closed)
        }
    }
}
