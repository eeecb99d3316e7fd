import ApusCore
import ApusTunnel
@testable import ApusWire
import HTTPTypes
import Testing

/// The frames of an HTTP/2 proxy, made by hand (RFC 9113, section 4.1).
enum Frames {
    static let settings = frame(4, [])
    /// What our own SETTINGS are in force from.
    static let acknowledgement = frame(4, flags: 1, [])
    /// 200 on stream 1, as a literal without indexing (RFC 7541, section 6.2.2).
    static let established = frame(1, flags: 4, stream: 1, [0x08, 3] + Array("200".utf8))

    static func frame(
        _ type: UInt8, flags: UInt8 = 0, stream: UInt8 = 0, _ payload: [UInt8]
    ) -> [UInt8] {
        let length = payload.count
        return [UInt8(length >> 16), UInt8(length >> 8 & 255), UInt8(length & 255), type, flags]
            + [0, 0, 0, stream] + payload
    }

    static func data(_ bytes: [UInt8], ends: Bool = false) -> [UInt8] {
        frame(0, flags: ends ? 1 : 0, stream: 1, bytes)
    }

    static func reset(_ code: UInt8) -> [UInt8] { frame(3, stream: 1, [0, 0, 0, code]) }

    static func ping(_ number: UInt8) -> [UInt8] { frame(6, [0, 0, 0, 0, 0, 0, 0, number]) }

    /// More window for the stream, and as much for the connection.
    static func moreWindow(_ bytes: Int) -> [UInt8] {
        let increment =
            [UInt8(bytes >> 24), UInt8(bytes >> 16 & 255)]
            + [UInt8(bytes >> 8 & 255), UInt8(bytes & 255)]
        return frame(8, increment) + frame(8, stream: 1, increment)
    }

    /// The type and the payload of each frame of ours; the preface is left out.
    static func types(of output: [UInt8]) -> [(type: UInt8, flags: UInt8, payload: [UInt8])] {
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        var rest = output.starts(with: preface) ? output.dropFirst(preface.count) : output[...]
        var frames: [(type: UInt8, flags: UInt8, payload: [UInt8])] = []
        while rest.count >= 9 {
            let head = Array(rest.prefix(9))
            let length = head.prefix(3).reduce(0) { $0 << 8 | Int($1) }
            frames.append((head[3], head[4], Array(rest.dropFirst(9).prefix(length))))
            rest = rest.dropFirst(9 + length)
        }
        return frames
    }

    /// The bytes of DATA among frames of ours.
    static func payload(of output: [UInt8]) -> [UInt8] {
        types(of: output).filter { $0.type == 0 }.flatMap(\.payload)
    }
}

/// The handshake with an HTTP/2 proxy that has answered 200.
///
/// - Parameters:
///   - following: what came in the same read as the answer.
///   - output: gets everything that was sent.
func establishedHandshake(
    following: [UInt8] = [], output: inout [UInt8]
) throws -> HTTP2ConnectHandshake {
    var handshake = try TunnelHandshake.http2Connect(
        to: "origin.test:443", fields: [:], EngineTuning.HTTP2(), limits: EngineTuning.Limits())
    try handshake.start(output: &output)
    var offset = 0
    let answer = Frames.settings + Frames.acknowledgement + Frames.established + following
    let progress = try answer.withSpan { (span) throws(TunnelError) in
        try handshake.bytesReceived(span, offset: &offset, output: &output)
    }
    try #require(progress == .established)
    guard case .http2Connect(let established) = handshake else {
        preconditionFailure("a handshake became another")
    }
    return established
}

/// A tunnel through such a proxy.
func makeTunnel(following: [UInt8] = []) throws -> HTTP2Tunnel {
    var output: [UInt8] = []
    return HTTP2Tunnel(try establishedHandshake(following: following, output: &output))
}

/// Bytes that no two places of a message have in common for long.
func pattern(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
}

/// Bytes, where a literal alone would be integers.
func bytes(_ bytes: [UInt8]) -> [UInt8] { bytes }
