import Apus
import ApusWebSocket
import Loopback
import Testing

/// An engine for tests, which trusts the loopback servers; it is shut down after the operation.
func withEngine<Result>(
    _ change: (inout EngineTuning) -> Void = { _ in },
    _ operation: (TransportEngine) async throws -> Result
) async throws -> Result {
    try FixturePaths.ensureCertificates()
    var tuning = EngineTuning.default
    tuning.eventLoops = 1
    tuning.tls.roots = .file(FixturePaths.pem("ca"))
    tuning.pool.acquireTimeout = .seconds(300)
    tuning.dial.connectTimeout = .seconds(300)
    tuning.dial.tcpTimeout = .seconds(300)
    tuning.dial.tlsTimeout = .seconds(300)
    tuning.dial.proxyTimeout = .seconds(300)
    change(&tuning)
    let engine = try TransportEngine(tuning)
    do {
        let result = try await operation(engine)
        await engine.shutdown(drain: .zero)
        return result
    } catch {
        await engine.shutdown(drain: .zero)
        throw error
    }
}

extension WebSocketOptions {
    /// Options without a limit that a busy machine could miss.
    static var patient: WebSocketOptions {
        var options = WebSocketOptions()
        options.handshakeTimeout = .seconds(300)
        options.closeTimeout = .seconds(300)
        options.pings = nil
        return options
    }
}

/// Sends messages of several sizes and expects each back, then closes.
func exchangeEchoes(_ socket: WebSocket, sizes: [Int] = [0, 1, 125, 126, 65_536, 300_000])
    async throws
{
    for size in sizes {
        let bytes = Bytes((0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        let text = String(repeating: "é", count: size / 2)
        try await socket.send(.binary(bytes))
        try await socket.send(text)
        #expect(try await socket.receive() == .binary(bytes))
        #expect(try await socket.receive() == .text(text))
    }
    try await socket.close(reason: "done")
    #expect(await socket.peerClose == WebSocketClose(.normal, reason: "done"))
    #expect(try await socket.receive() == nil)
}
