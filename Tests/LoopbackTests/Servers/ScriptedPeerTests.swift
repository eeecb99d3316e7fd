import Glibc
import Loopback
import Testing

@Suite(.timeLimit(.minutes(5))) struct ScriptedPeerTests {
    @Test func scriptsGoByTheOrderOfConnections() async throws {
        let peer = try ScriptedPeer(
            [
                [.expectHead, .sendText("first"), .closeNotify],
                [.expectBytes(2), .sendByteByByte(Array("second".utf8))],
            ], otherwise: [.reset])
        defer { peer.stop() }
        let first = try #require(PlainClient(peer.port))
        first.send("GET / HTTP/1.1\r\n\r\n")
        #expect(first.restText() == "first")
        let second = try #require(PlainClient(peer.port))
        second.send("ab")
        #expect(second.restText() == "second")
        #expect(try #require(PlainClient(peer.port)).rest().error == ECONNRESET)
        #expect(await peer.connections(3))
        #expect(peer.transcript(0).text == "GET / HTTP/1.1\r\n\r\n")
        #expect(await peer.connection(1) { $0.isClosed && $0.steps == 2 })
        #expect(peer.connectionCount == 3)
    }

    @Test func aScriptWaitsForItsSignal() async throws {
        let peer = try ScriptedPeer(everyConnection: [
            .expectHead, .signal("seen"), .waitForSignal("go"), .sendText("done"), .halfClose,
            .readUntilEnd,
        ])
        defer { peer.stop() }
        let client = try #require(PlainClient(peer.port))
        #expect(!peer.waitUntil(signal: "seen", timeout: .milliseconds(1)))
        client.send("\r\n\r\n")
        #expect(await peer.signal("seen"))
        #expect(!peer.waitUntil(connection: 0, timeout: .milliseconds(1)) { $0.steps > 2 })
        peer.release("go")
        #expect(client.restText() == "done")
        client.send("more")
        client.finishSending()
        #expect(await peer.connection(0) { $0.hasEnded })
        #expect(peer.transcript(0).text == "\r\n\r\nmore")
    }

    @Test func anUnmetExpectationEndsTheScript() async throws {
        let peer = try ScriptedPeer(everyConnection: [.expectBytes(5), .sendText("never")])
        defer { peer.stop() }
        let client = try #require(PlainClient(peer.port))
        client.send("1234")
        client.finishSending()
        #expect(client.restText().isEmpty)
        #expect(await peer.connection(0) { $0.isClosed && $0.steps == 0 })
    }

    @Test(arguments: [
        ScriptedPeer.Step.silence, .waitForSignal("never"), .expectHead, .readUntilEnd,
        .pause(.seconds(1000)),
    ])
    func stoppingEndsEveryWait(step: ScriptedPeer.Step) throws {
        let peer = try ScriptedPeer(everyConnection: [step])
        let client = try #require(PlainClient(peer.port))
        #expect(peer.waitUntil(connections: 1))
        peer.stop()
        #expect(client.rest().bytes.isEmpty)
    }
}
