import Loopback
import Testing

@Suite(.timeLimit(.minutes(5))) struct LoopbackProxyTests {
    private let credentials = LoopbackCredentials(user: "user", password: "secret!")

    @Test func aTunnelCarriesBytesBothWays() throws {
        let server = try LoopbackServer()
        let proxy = try LoopbackConnectProxy()
        defer {
            proxy.stop()
            server.stop()
        }
        let client = try #require(PlainClient(proxy.port))
        let connect = "CONNECT origin.test:\(server.port) HTTP/1.1\r\nHost: x\r\n\r\n"
        // Bytes directly after the head belong to the tunnel.
        client.send(connect + "GET /close HTTP/1.1\r\n\r\n")
        #expect(client.head().hasPrefix("HTTP/1.1 200 "))
        #expect(client.restText().hasSuffix("\r\n\r\nhello\n"))
        #expect(proxy.connectRequests == [connect])
        #expect(proxy.counters.established == 1)
    }

    @Test func aRequestIsForwardedInOriginForm() throws {
        let server = try LoopbackServer()
        var options = LoopbackConnectProxy.Options()
        options.credentials = credentials
        let proxy = try LoopbackConnectProxy(options)
        defer {
            proxy.stop()
            server.stop()
        }
        let client = try #require(PlainClient(proxy.port))
        let url = "http://127.0.0.1:\(server.port)"
        let authorization = "Proxy-Authorization: Basic dXNlcjpzZWNyZXQh\r\n"
        client.send("GET \(url)/headers HTTP/1.1\r\n\(authorization)A: b\r\n\r\n")
        _ = client.head()
        #expect(client.text(31) == "GET /headers HTTP/1.1\r\nA: b\r\n\r\n")
        client.send("GET \(url)/connection HTTP/1.1\r\n\(authorization)\r\n")
        _ = client.head()
        #expect(client.text(15) == "id=0 request=2\n")
        // The same connection, without the credentials.
        client.send("GET \(url)/ HTTP/1.1\r\n\r\n")
        #expect(client.head().hasPrefix("HTTP/1.1 407 "))
        #expect(proxy.requests.count == 3)
    }

    @Test(arguments: ["10.0.0.1:80", "somewhere.invalid:80", "nonsense"])
    func nothingBeyondLoopbackIsReached(authority: String) throws {
        let proxy = try LoopbackConnectProxy()
        defer { proxy.stop() }
        let client = try #require(PlainClient(proxy.port))
        client.send("CONNECT \(authority) HTTP/1.1\r\n\r\n")
        #expect(client.head().hasPrefix("HTTP/1.1 403 "))
        #expect(proxy.counters.refused == 1)
    }

    @Test(arguments: [true, false])
    func aRefusalEndsOrKeepsTheConnection(closes: Bool) throws {
        var options = LoopbackConnectProxy.Options()
        options.refusal = 502
        options.refusalBody = "no\n"
        options.closesAfterRefusal = closes
        let proxy = try LoopbackConnectProxy(options)
        defer { proxy.stop() }
        let client = try #require(PlainClient(proxy.port))
        client.send("CONNECT localhost:1 HTTP/1.1\r\n\r\n")
        let head = client.head()
        #expect(head.hasPrefix("HTTP/1.1 502 "))
        #expect(head.contains("Connection: close") == closes)
        #expect(client.text(3) == "no\n")
        client.send("CONNECT localhost:1 HTTP/1.1\r\n\r\n")
        #expect(client.head().isEmpty == closes)
    }

    // MARK: SOCKS

    @Test func aNamePassesThroughSOCKS() throws {
        let server = try LoopbackServer()
        var options = LoopbackSOCKSProxy.Options()
        options.credentials = credentials
        options.sendsByteByByte = true
        let proxy = try LoopbackSOCKSProxy(options)
        defer {
            proxy.stop()
            server.stop()
        }
        let client = try #require(PlainClient(proxy.port))
        client.send([5, 1, 2])
        #expect(client.bytes(2) == [5, 2])
        client.send([1, 4] + Array("user".utf8) + [7] + Array("secret!".utf8))
        #expect(client.bytes(2) == [1, 0])
        client.send([5, 1, 0, 3, 8] + Array("api.test".utf8) + port(server.port))
        #expect(client.bytes(10) == [5, 0, 0, 1, 127, 0, 0, 1, 0, 80])
        client.send("GET /close HTTP/1.1\r\n\r\n")
        #expect(client.restText().hasSuffix("hello\n"))
        #expect(
            proxy.requests == [
                .init(kind: .name, host: "api.test", port: server.port, credentials: credentials)
            ])
    }

    @Test func aWrongPasswordIsRefused() throws {
        var options = LoopbackSOCKSProxy.Options()
        options.credentials = credentials
        let proxy = try LoopbackSOCKSProxy(options)
        defer { proxy.stop() }
        let client = try #require(PlainClient(proxy.port))
        client.send([5, 1, 2, 1, 1, 0x61, 1, 0x62])
        #expect(client.rest().bytes == [5, 2, 1, 1])
        #expect(proxy.requests.isEmpty)
    }

    @Test(arguments: 1...8)
    func aReplyCodeIsSentAsAsked(code: UInt8) throws {
        var options = LoopbackSOCKSProxy.Options()
        options.reply = code
        options.boundAddress = .name
        let proxy = try LoopbackSOCKSProxy(options)
        defer { proxy.stop() }
        let client = try #require(PlainClient(proxy.port))
        client.send([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80])
        #expect(client.rest().bytes.starts(with: [5, 0, 5, code, 0, 3, 9]))
    }

    private func port(_ port: UInt16) -> [UInt8] {
        [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
    }
}
