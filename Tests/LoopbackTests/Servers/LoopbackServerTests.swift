import Glibc
import Loopback
import Testing

@Suite(.timeLimit(.minutes(5))) struct LoopbackServerTests {
    /// One request on a connection of its own, and all that comes back.
    private func exchange(
        _ target: String, method: String = "GET", fields: String = "", body: String = "",
        options: LoopbackServer.Options = .init()
    ) throws -> (head: String, body: [UInt8], error: Int32) {
        let server = try LoopbackServer(options)
        defer { server.stop() }
        let client = try #require(PlainClient(server.port))
        client.send("\(method) \(target) HTTP/1.1\r\nConnection: close\r\n\(fields)\r\n\(body)")
        let head = client.head()
        let rest = client.rest()
        return (head, rest.bytes, rest.error)
    }

    @Test(arguments: [
        ("/", "hello\n"), ("/status/404", "404\n"), ("/delay/1", "hello\n"),
        ("/connection", "id=0 request=1\n"), ("/tls", "version=none\n"),
        ("http://somewhere.test/status/500", "500\n"), ("/nowhere", "no such route\n"),
    ])
    func aRouteAnswersWithItsText(target: String, text: String) throws {
        let answer = try exchange(target)
        #expect(String(decoding: answer.body, as: UTF8.self) == text)
        #expect(answer.head.contains("content-length: \(text.utf8.count)\r\n"))
        #expect(answer.head.contains("connection: close\r\n"))
    }

    @Test(arguments: [0, 1, 255, 65_535, 65_536, 300_001])
    func bytesFollowThePattern(count: Int) throws {
        let answer = try exchange("/bytes/\(count)")
        #expect(answer.body == (0..<count).map { BodyPattern.byte(at: $0) })
        #expect(answer.body == BodyPattern.bytes(count))
    }

    @Test func aHeadRequestGetsTheHeadAlone() throws {
        let answer = try exchange("/bytes/1000", method: "HEAD")
        #expect(answer.head.contains("content-length: 1000\r\n"))
        #expect(answer.body.isEmpty)
    }

    @Test func chunksHaveTheSizeAskedFor() throws {
        let answer = try exchange("/chunked/5?chunk=2")
        var expected = Array("2\r\n".utf8) + BodyPattern.bytes(2)
        expected += Array("\r\n2\r\n".utf8) + BodyPattern.bytes(2, from: 2)
        expected += Array("\r\n1\r\n".utf8) + BodyPattern.bytes(1, from: 4)
        expected += Array("\r\n0\r\n\r\n".utf8)
        #expect(answer.body == expected)
    }

    @Test func trailersFollowTheirAnnouncement() throws {
        let answer = try exchange("/trailers?n=3")
        let sum = BodyPattern.bytes(3).reduce(0) { $0 + Int($1) }
        #expect(answer.head.contains("trailer: x-checksum, x-count\r\n"))
        let end = "\r\n0\r\nx-checksum: \(sum)\r\nx-count: 3\r\n\r\n"
        #expect(answer.body.suffix(end.utf8.count).elementsEqual(end.utf8))
    }

    @Test func theHeadComesBackAsItWasSent() throws {
        let answer = try exchange("/headers", fields: "X-MiXed:  two  words \r\nA: b\r\n")
        let sent =
            "GET /headers HTTP/1.1\r\nConnection: close\r\nX-MiXed:  two  words \r\nA: b\r\n\r\n"
        #expect(String(decoding: answer.body, as: UTF8.self) == sent)
    }

    @Test func informationalResponsesComeFirst() throws {
        let answer = try exchange("/informational?n=2")
        let text = String(decoding: answer.body, as: UTF8.self)
        #expect(answer.head.hasPrefix("HTTP/1.1 103 "))
        #expect(text.hasPrefix("HTTP/1.1 103 "))
        #expect(text.hasSuffix("\r\n\r\nhello\n"))
    }

    @Test func eventsAreNumberedAndPadded() throws {
        let answer = try exchange("/sse?n=3&size=4&pace_us=100&burst=2")
        let body = String(decoding: answer.body, as: UTF8.self)
        #expect(
            body == "18\r\ndata: 0000\n\ndata: 0001\n\n\r\nc\r\ndata: 0002\n\n\r\n0\r\n\r\n")
    }

    @Test func aTruncatedBodyEndsInOrder() throws {
        let answer = try exchange("/truncate/1000")
        #expect(answer.head.contains("content-length: 1000\r\n"))
        #expect(answer.body.count == 500)
        #expect(answer.error == 0)
    }

    @Test func aResetIsOne() throws {
        #expect(try exchange("/reset/0").error == ECONNRESET)
    }

    @Test func aFieldlessStatusHasNoContent() throws {
        let answer = try exchange("/status/204")
        #expect(answer.head.hasPrefix("HTTP/1.1 204 "))
        #expect(answer.body.isEmpty)
    }

    @Test func nonsenseIsRefused() throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let client = try #require(PlainClient(server.port))
        client.send("nonsense\r\n\r\n")
        #expect(client.restText().hasPrefix("HTTP/1.1 400 "))
    }

    // MARK: Request content

    @Test(arguments: ["Content-Length: 11\r\n", "Transfer-Encoding: chunked\r\n"])
    func contentIsEchoedByteByByte(framing: String) throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let client = try #require(PlainClient(server.port))
        client.sendByteByByte("POST /echo HTTP/1.1\r\n\(framing)\r\n")
        guard framing.hasPrefix("C") else {
            client.sendByteByByte("6;x=y\r\nhello \r\n5\r\nworld\r\n0\r\nt: v\r\n\r\n")
            #expect(client.head().contains("transfer-encoding: chunked\r\n"))
            client.send("GET /close HTTP/1.1\r\n\r\n")
            let letters = client.restText().filter { $0.isLetter || $0 == " " }
            #expect(letters.hasPrefix("hello world"))
            return
        }
        client.sendByteByByte("hello world")
        #expect(client.head().contains("content-length: 11\r\n"))
        #expect(client.text(11) == "hello world")
    }

    @Test func aBrokenChunkEndsTheConnection() throws {
        let answer = try exchange(
            "/sink", method: "POST", fields: "Transfer-Encoding: chunked\r\n", body: "zz\r\n")
        #expect(answer.head.isEmpty)
    }

    @Test func continueIsSentOnlyWhenAskedFor() throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let client = try #require(PlainClient(server.port))
        client.send("POST /continue HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        #expect(client.head() == "HTTP/1.1 100 Continue\r\n\r\n")
        client.send("abc")
        #expect(client.head().hasPrefix("HTTP/1.1 200 "))
        #expect(client.text(2) == "3\n")
        client.send("POST /continue HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
        #expect(client.head().hasPrefix("HTTP/1.1 200 "))
    }

    @Test func anEarlyAnswerPrecedesTheContent() throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let client = try #require(PlainClient(server.port))
        client.send("POST /early/413?then=keep HTTP/1.1\r\nContent-Length: 3\r\n\r\n")
        #expect(client.head().hasPrefix("HTTP/1.1 413 "))
        #expect(client.text(4) == "413\n")
        client.send("abcGET /connection HTTP/1.1\r\n\r\n")
        _ = client.head()
        #expect(client.text(15) == "id=0 request=2\n")
    }

    // MARK: Connections

    @Test func pipelinedRequestsAreAnsweredInOrder() throws {
        let server = try LoopbackServer()
        defer { server.stop() }
        let client = try #require(PlainClient(server.port))
        client.send("GET /status/404 HTTP/1.1\r\n\r\nGET /close HTTP/1.1\r\n\r\n")
        #expect(client.head().hasPrefix("HTTP/1.1 404 "))
        #expect(client.restText().contains("HTTP/1.1 200 OK"))
        #expect(server.counters.requests == 2)
        #expect(server.counters.connectionsAccepted == 1)
    }

    @Test func theLastRequestOfAConnectionSaysSo() throws {
        var options = LoopbackServer.Options()
        options.maxRequestsPerConnection = 2
        options.keepAliveHeader = "timeout=5"
        let server = try LoopbackServer(options)
        defer { server.stop() }
        let client = try #require(PlainClient(server.port))
        client.send("GET / HTTP/1.1\r\n\r\n")
        #expect(client.head().contains("keep-alive: timeout=5\r\n"))
        #expect(client.text(6) == "hello\n")
        client.send("GET / HTTP/1.1\r\n\r\n")
        #expect(client.head().contains("connection: close\r\n"))
        #expect(client.rest().bytes.count == 6)
    }

    @Test func idleConnectionsEndByTimeAndByCommand() throws {
        var options = LoopbackServer.Options()
        options.idleTimeout = .milliseconds(20)
        let impatient = try LoopbackServer(options)
        defer { impatient.stop() }
        #expect(try #require(PlainClient(impatient.port)).rest().error == 0)

        let server = try LoopbackServer()
        defer { server.stop() }
        let client = try #require(PlainClient(server.port))
        client.send("GET / HTTP/1.1\r\n\r\n")
        _ = client.head()
        #expect(client.text(6) == "hello\n")
        while server.connections.first?.isIdle != true { sched_yield() }
        server.closeIdleConnections()
        #expect(client.rest().error == 0)
    }

    @Test func stoppingEndsEveryConnectionAndMayBeRepeated() throws {
        let server = try LoopbackServer()
        let clients = ["/hang", "/endless", "/delay/100000", "/head-then-hang"].compactMap {
            target -> PlainClient? in
            let client = PlainClient(server.port)
            client?.send("GET \(target) HTTP/1.1\r\n\r\n")
            return client
        }
        while server.counters.currentRequests < clients.count { sched_yield() }
        server.stop()
        server.stop()
        #expect(server.counters.connectionsOpen == 0)
        #expect(server.counters.currentRequests == 0)
        #expect(PlainClient(server.port) == nil)
    }
}
