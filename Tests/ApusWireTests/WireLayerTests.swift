import ApusCore
import ApusTLS
@testable import ApusWire
import Loopback
import Testing

/// Each kind of layer does what every layer does.
@Suite struct WireLayerTests {
    private func tunnel() throws -> WireLayer { .tunnel(try makeTunnel()) }

    /// TLS before its handshake, which takes and gives nothing.
    private func tls() throws -> WireLayer {
        let context = try TLSContext(EngineTuning.TLS(), alpn: [])
        return .tls(try TLSEngine(context, serverName: "localhost", session: nil))
    }

    @Test func aTunnelTakesBytesUpAndDown() throws {
        let layer = try tunnel()
        var (delivered, output): ([UInt8], [UInt8]) = ([], [])
        let hasEnded = try layer.receive(
            Frames.data([1, 2], ends: true).span.bytes, output: &output
        ) { bytes, _ in delivered.append(copying: bytes) }
        #expect(delivered == [1, 2])
        #expect(hasEnded)
        output = []
        #expect(layer.send(bytes([3]).span.bytes, output: &output))
        #expect(Frames.payload(of: output) == [3])
    }

    @Test func aLayerThatFailsSaysSoInItsOwnWords() throws {
        var output: [UInt8] = []
        let ofTLS = #expect(throws: WireError.self) {
            _ = try tls().receive(bytes([1]).span.bytes, output: &output) { _, _ in }
        }
        guard case .tls? = ofTLS else {
            Issue.record("\(String(describing: ofTLS))")
            return
        }
        let ofTunnel = #expect(throws: WireError.self) {
            _ = try tunnel().receive(Frames.reset(8).span.bytes, output: &output) { _, _ in }
        }
        guard case .tunnel? = ofTunnel else {
            Issue.record("\(String(describing: ofTunnel))")
            return
        }
    }

    @Test func aLayerThatTakesNoMoreOnlyRefusesTheBytes() throws {
        var output: [UInt8] = []
        #expect(try !tls().send(bytes([1]).span.bytes, output: &output))
        let layer = try tunnel()
        _ = try? layer.receive(Frames.reset(8).span.bytes, output: &output) { _, _ in }
        output = []
        #expect(!layer.send(bytes([1]).span.bytes, output: &output))
        #expect(output.isEmpty)
    }

    @Test func anEndBelowALayerThatHasNotEndedIsAnError() throws {
        for layer in [try tls(), try tunnel()] {
            #expect(throws: WireError.self) { try layer.streamEnded() }
        }
        let ended = try tunnel()
        var output: [UInt8] = []
        _ = try ended.receive(Frames.data([], ends: true).span.bytes, output: &output) { _, _ in }
        try ended.streamEnded()
    }

    @Test("an end of ours is the stream's; a close ends the proxy's connection as well")
    func endings() throws {
        var (ended, closed): ([UInt8], [UInt8]) = ([], [])
        try tunnel().endSending(output: &ended)
        try tunnel().close(output: &closed)
        #expect(Frames.types(of: ended).map(\.type) == [0])
        #expect(Frames.types(of: closed).map(\.type) == [0, 7])
        // Before the handshake TLS has nothing to end.
        var silence: [UInt8] = []
        try tls().endSending(output: &silence)
        try tls().close(output: &silence)
        #expect(silence.isEmpty)
    }
}
