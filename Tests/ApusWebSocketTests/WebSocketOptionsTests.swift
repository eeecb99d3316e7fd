import Apus
import ApusWebSocket
import Testing

/// Options that cannot be meant are refused before anything is sent.
@Suite struct WebSocketOptionsTests {
    private static let changes: [@Sendable (inout WebSocketOptions) -> Void] = [
        { $0.maxFrameSize = 0 }, { $0.maxMessageSize = -1 }, { $0.maxSentFrameSize = 0 },
        { $0.handshakeTimeout = .zero }, { $0.closeTimeout = .zero },
        { $0.pings?.interval = .zero }, { $0.pings?.timeout = .seconds(-1) },
        {
            $0.compression = .init()
            $0.compression?.clientWindowBits = 8
        },
        {
            $0.compression = .init()
            $0.compression?.serverWindowBits = 16
        },
        {
            $0.compression = .init()
            $0.compression?.level = 0
        },
        {
            $0.compression = .init()
            $0.compression?.minimumLength = -1
        },
        { $0.subprotocols = ["a b"] }, { $0.subprotocols = ["a", "a"] },
        { $0.request.upgrade = "other" },
    ]

    @Test(arguments: changes.indices) func wrongOptionsAreRefused(index: Int) async {
        var options = WebSocketOptions()
        Self.changes[index](&options)
        let transport = Answering(HTTPResponse(status: .ok))
        let error = await webSocketError {
            _ = try await WebSocket.connect("ws://a.example/", over: transport, options: options)
        }
        guard case .invalidUse? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(transport.requests.isEmpty)
    }
}
