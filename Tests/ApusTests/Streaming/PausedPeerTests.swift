import Apus
import Glibc
import Loopback
import Testing

/// Uploads to a peer that is alive and reads nothing for a while.
@Suite(.timeLimit(.minutes(5))) struct PausedPeerTests {
    private static let size = 8 << 20
    private static let body = RequestBody.bytes(Bytes([UInt8](repeating: 7, count: size)))

    @Test("a peer that pauses for longer than dial.userTimeout gets the rest when it reads on")
    func aPause() async throws {
        var tuning = relaxedTuning
        tuning.dial.userTimeout = .seconds(3)
        let script: [ScriptedPeer.Step] = [
            .expectHead, .pause(.seconds(9)), .expectBytes(Self.size),
            .sendText("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), .readUntilEnd,
        ]
        try await withFaultStand([script], tuning: tuning) { stand in
            let response = try await stand.engine.send(stand.request(.post), body: Self.body)
            #expect(String(try await response.body.collect(upTo: 100)) == "ok")
            #expect(stand.peer.connectionCount == 1)
        }
    }

    @Test(
        "a time-out of the system is a timeout in the phase send, also after the body's last byte",
        arguments: [false, true])
    func aTimeoutOfTheSystem(isWhole: Bool) async throws {
        var tuning = relaxedTuning
        // The system takes a short body whole, and its peer's takes a part of it.
        let body =
            isWhole ? RequestBody.bytes(Bytes([UInt8](repeating: 7, count: 1 << 20))) : Self.body
        if isWhole { tuning.dial.unsentBytes = nil }
        // The engine knows nothing of this bound, so that it does not lift it.
        tuning.dial.userTimeout = nil
        tuning.dial.beforeConnect = SocketHook { descriptor, _ in
            var limit: Int32 = 500
            setsockopt(
                descriptor, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &limit,
                socklen_t(MemoryLayout<Int32>.size))
        }
        try await withFaultStand([[.expectHead, .silence]], tuning: tuning) { stand in
            let error = await transportError {
                _ = try await stand.engine.send(stand.request(.post), body: body)
            }
            if isWhole { #expect(error?.bytesSent == 1 << 20) }
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .send)
            #expect(error?.replay == .unknown)
            #expect(stand.peer.connectionCount == 1)
        }
    }
}
