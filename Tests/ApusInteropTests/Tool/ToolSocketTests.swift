import Foundation
import Loopback
import Testing

/// `apus ws`: lines out, messages in, and what a refusal looks like.
@Suite(
    "the tool and web sockets", .timeLimit(.minutes(5)),
    .enabled(if: Programs.apus != nil, "the tool is not built"))
struct ToolSocketTests {
    @Test("lines are sent and messages printed", arguments: [false, true])
    func lines(_ isSecure: Bool) async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackWebSocketServer(
            tls: isSecure ? FixturePaths.certificate("leaf") : nil)
        defer { server.stop() }
        let run = try await ToolRun.of(
            [
                "ws", "--cacert", FixturePaths.pem("ca"), "-H", "X-Test: yes", "--subprotocol",
                "chat", "\(isSecure ? "wss" : "ws")://localhost:\(server.port)/subprotocol/chat",
            ], input: "one\ntwo\n\nκόσμε\n")
        #expect(run.code == 0, "\(run.errors)")
        #expect(run.output == "one\ntwo\n\nκόσμε\n")
        let head = try #require(server.handshakes.first)
        #expect(head.contains("X-Test: yes\r\n"))
        #expect(head.contains("Sec-WebSocket-Protocol: chat\r\n"))
    }

    @Test("through a proxy") func throughAProxy() async throws {
        let server = try LoopbackWebSocketServer()
        let proxy = try LoopbackSOCKSProxy()
        defer {
            server.stop()
            proxy.stop()
        }
        let run = try await ToolRun.of(
            [
                "ws", "-x", "socks5h://localhost:\(proxy.port)",
                "ws://localhost:\(server.port)/echo",
            ], input: "hello\n")
        #expect(run.code == 0, "\(run.errors)")
        #expect(run.output == "hello\n")
        #expect(proxy.counters.connections == 1)
    }

    @Test("a refusal is printed with its body") func aRefusal() async throws {
        let server = try LoopbackWebSocketServer()
        defer { server.stop() }
        let run = try await ToolRun.of(
            ["ws", "ws://localhost:\(server.port)/refuse"], input: "hello\n")
        #expect(run.code == 1)
        #expect(run.output == "no\n")
        #expect(run.errors.contains("403"))
    }

    @Test("a URL of another scheme is refused") func aWrongURL() async throws {
        let run = try await ToolRun.of(["ws", "ftp://localhost/"], input: "")
        #expect(run.code != 0)
        #expect(run.errors.contains("scheme"))
    }
}
