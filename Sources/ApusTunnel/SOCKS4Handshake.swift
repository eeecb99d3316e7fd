import ApusCore

/// Asks a SOCKS 4a proxy for a tunnel, whose name the proxy resolves.
///
/// Version 4 has one request and one answer of eight bytes. 4a is an address 0.0.0.1, which can be
/// nobody's, and the name behind the user. There is no password and no IPv6.
package struct SOCKS4Handshake: Sendable {
    private static let granted: UInt8 = 90
    private static let answerLength = 8

    private let request: [UInt8]
    /// The answer so far.
    private var answer: [UInt8] = []

    init(to target: SOCKSTarget, credentials: ProxyCredentials?) throws(TunnelError) {
        let (address, port, name) = try SOCKS4Handshake.parts(of: target)
        request =
            [4, 1, UInt8(port >> 8), UInt8(truncatingIfNeeded: port)] + address
            + Array((credentials?.user ?? "").utf8) + [0] + name
    }

    func start(output: inout [UInt8]) {
        output += request
    }

    mutating func bytesReceived(
        _ input: RawSpan, offset: inout Int
    ) throws(TunnelError) -> TunnelProgress {
        while answer.count < SOCKS4Handshake.answerLength {
            guard offset < input.byteCount else { return .needsBytes }
            answer.append(unsafe input.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
            offset += 1
            try checkByte()
        }
        return .established
    }

    /// A refusal is told at its byte: it may be cut short.
    private func checkByte() throws(TunnelError) {
        let byte = answer[answer.count - 1]
        switch answer.count {
        case 1 where byte != 0: throw .malformed("the proxy does not speak SOCKS 4")
        case 2 where byte != SOCKS4Handshake.granted:
            guard (91...93).contains(byte) else {
                throw .malformed("the reply's code is unknown to SOCKS 4")
            }
            throw .reply(byte)
        default: break
        }
    }

    private static func parts(
        of target: SOCKSTarget
    ) throws(TunnelError) -> (address: [UInt8], port: UInt16, name: [UInt8]) {
        switch target {
        case .ipv4(let bytes, let port):
            precondition(bytes.count == 4, "an IPv4 address has 4 bytes")
            return (bytes, port, [])
        case .ipv6: throw .invalid("SOCKS 4a can name no IPv6 address")
        case .name(let name, let port):
            let bytes = Array(name.utf8)
            guard (1...255).contains(bytes.count), !bytes.contains(0) else {
                throw .invalid("a SOCKS host name has 1 to 255 bytes, this one \(bytes.count)")
            }
            return ([0, 0, 0, 1], port, bytes + [0])
        }
    }
}
