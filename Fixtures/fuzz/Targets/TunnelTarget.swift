import ApusCore
import ApusTunnel
import HTTPTypes

/// The answers of proxies: CONNECT, SOCKS 4a and SOCKS 5, whole, byte by byte and in pieces.
///
/// An input is a byte that chooses the protocol, a seed, and what the proxy sends.
enum TunnelTarget {
    /// What a handshake came to.
    private struct Outcome: Equatable {
        var progress: TunnelProgress?
        var error: TunnelError?
        /// Bytes that belong to the handshake.
        var consumed = 0
        var output: [UInt8] = []
    }

    static func play(_ input: [UInt8]) {
        var choices = Choices(input)
        let bits = choices.byte()
        let seed = choices.byte()
        let bytes = choices.rest()
        var first: Outcome?
        for cut in Cut.all(seed: seed) {
            let outcome = outcome(of: bytes, bits, cut)
            if let first {
                precondition(outcome == first, "\(cut): \(outcome)\nis not: \(first)")
            }
            first = outcome
        }
    }

    private static func outcome(of bytes: [UInt8], _ bits: UInt8, _ cut: Cut) -> Outcome {
        var outcome = Outcome()
        do throws(TunnelError) {
            var handshake = try handshake(bits)
            try handshake.start(output: &outcome.output)
            for piece in cut.pieces(of: bytes) {
                let progress = try receive(Array(piece), &handshake, &outcome)
                outcome.progress = progress
                if progress == .established { return outcome }
            }
            outcome.error = handshake.streamEnded()
        } catch {
            outcome.error = error
            // How far a faulty answer was read says nothing.
            outcome.consumed = 0
            outcome.progress = nil
        }
        if case .refused(let answer) = outcome.error {
            precondition(answer.body.count <= 16, "a refusal's body beyond its bound")
            precondition(answer.status >= 200, "refused by an interim response")
        }
        if outcome.error != nil { outcome.progress = nil }
        return outcome
    }

    private static func receive(
        _ piece: [UInt8], _ handshake: inout TunnelHandshake, _ outcome: inout Outcome
    ) throws(TunnelError) -> TunnelProgress {
        var offset = 0
        var tunnel = handshake
        defer { handshake = tunnel }
        var output = outcome.output
        defer { outcome.output = output }
        let progress = try piece.withSpan { span throws(TunnelError) in
            try tunnel.bytesReceived(span, offset: &offset, output: &output)
        }
        precondition(offset <= piece.count, "the offset is beyond the input")
        if progress == .needsBytes { precondition(offset == piece.count, "input was left over") }
        outcome.consumed += offset
        return progress
    }

    private static func handshake(_ bits: UInt8) throws(TunnelError) -> TunnelHandshake {
        var credentials: ProxyCredentials?
        if bits & 2 != 0 { credentials = try? ProxyCredentials(user: "user", password: "secret") }
        if bits & 1 != 0 {
            let target: SOCKSTarget =
                switch bits >> 2 & 3 {
                case 0: .ipv4([127, 0, 0, 1], port: 443)
                case 1: .ipv6([UInt8](repeating: 1, count: 16), port: 443)
                default: .name("example.com", port: 443)
                }
            guard bits & 16 == 0 else {
                let user = try? ProxyCredentials(user: "user", password: "")
                return try .socks4a(to: target, credentials: user)
            }
            return try .socks5(to: target, credentials: credentials)
        }
        var limits = EngineTuning.Limits()
        limits.proxyErrorBodyBytes = bits & 4 != 0 ? 0 : 16
        if bits & 8 != 0 { limits.headBytes = 64 }
        return .connect(
            to: "example.com:443",
            fields: credentials.map { [.proxyAuthorization: $0.basicAuthorization] } ?? [:],
            limits: limits)
    }
}
