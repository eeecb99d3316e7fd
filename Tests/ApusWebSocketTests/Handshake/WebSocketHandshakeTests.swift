import Apus
import ApusWebSocket
import Testing

/// The request of a handshake, over any transport.
@Suite struct WebSocketHandshakeTests {
    private func request(
        _ url: String = "wss://a.example/chat?x=1",
        _ change: (inout WebSocketOptions) -> Void = { _ in }
    ) async throws -> (HTTPRequest, RequestOptions) {
        let transport = Answering(HTTPResponse(status: .notFound), body: Bytes("gone"))
        var options = WebSocketOptions()
        change(&options)
        let error = await webSocketError {
            _ = try await WebSocket.connect(url, over: transport, options: options)
        }
        let response = try #require(error?.response)
        #expect(String(try await response.body.collect(upTo: 10)) == "gone")
        #expect(transport.requests.count == 1)
        return try #require(transport.requests.first)
    }

    @Test func anUpgradeByDefault() async throws {
        let (request, options) = try await request()
        #expect(request.method == .get)
        #expect(request.scheme == "https" && request.authority == "a.example")
        #expect(request.path == "/chat?x=1")
        #expect(options.upgrade == "websocket")
        #expect(options.totalTimeout == .seconds(30))
        #expect(request.headerFields[.secWebSocketVersion] == "13")
        #expect(request.headerFields[.secWebSocketKey]?.utf8.count == 24)
        #expect(request.headerFields[.secWebSocketExtensions] == nil)
        #expect(request.headerFields[.secWebSocketProtocol] == nil)
    }

    @Test func theCallersOptionsAreKept() async throws {
        let (_, options) = try await request("ws://a.example/") {
            $0.request.totalTimeout = .seconds(5)
            $0.request.proxy = .direct
        }
        #expect(options.totalTimeout == .seconds(5))
        #expect(options.proxy == .direct)
    }

    @Test func aStreamOfHTTP2HasNoKey() async throws {
        let (request, options) = try await request { $0.version = .http2 }
        #expect(request.method == .connect)
        #expect(request.extendedConnectProtocol == "websocket")
        #expect(request.scheme == "https" && request.path == "/chat?x=1")
        #expect(options.upgrade == nil)
        #expect(request.headerFields[.secWebSocketKey] == nil)
        #expect(request.headerFields[.secWebSocketVersion] == "13")
    }

    @Test func aPlainURLDoesNotTryHTTP2() async throws {
        let (request, _) = try await request("ws://a.example/") { $0.version = .http2ThenHTTP1 }
        #expect(request.method == .get)
    }

    @Test func theOfferOfCompression() async throws {
        let (plain, _) = try await request { $0.compression = .init() }
        #expect(
            plain.headerFields[.secWebSocketExtensions]
                == "permessage-deflate; client_max_window_bits")
        let (full, _) = try await request {
            var compression = WebSocketOptions.Compression()
            compression.clientContextTakeover = false
            compression.serverContextTakeover = false
            compression.clientWindowBits = 10
            compression.serverWindowBits = 11
            $0.compression = compression
        }
        #expect(
            full.headerFields[.secWebSocketExtensions]
                == "permessage-deflate; client_no_context_takeover; server_no_context_takeover; "
                + "client_max_window_bits=10; server_max_window_bits=11")
    }

    @Test(arguments: [
        HTTPField.Name.secWebSocketKey, .secWebSocketVersion, .secWebSocketExtensions,
        .secWebSocketProtocol, .secWebSocketAccept, .upgrade, .connection,
    ])
    func theFieldsOfTheHandshakeAreNotTheCallers(name: HTTPField.Name) async throws {
        let transport = Answering(HTTPResponse(status: .ok))
        let request = try HTTPRequest(.get, url: "http://a.example/", fields: [name: "x"])
        let error = await webSocketError {
            _ = try await WebSocket.connect(request, over: transport)
        }
        guard case .invalidUse? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(transport.requests.isEmpty)
    }

    @Test func aHandshakeIsAGETRequest() async throws {
        let transport = Answering(HTTPResponse(status: .ok))
        let request = try HTTPRequest(.post, url: "http://a.example/")
        let error = await webSocketError {
            _ = try await WebSocket.connect(request, over: transport)
        }
        #expect(error?.description.contains("GET") == true)
    }
}
