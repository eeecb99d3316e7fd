import ApusCore

/// Requests a tunnel from a SOCKS 4a proxy, which resolves the target's name.
///
/// Version 4 has one request and one answer of eight bytes. Version 4a sends the invalid address
/// 0.0.0.1, and the name after the user. There is no password and no IPv6.
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

    /// Reports a refusal at its byte: the answer may be cut short.
    private func checkByte() throws(TunnelError) {
        let byte = answer[answer.count - 1]
        switch answer.count {
        case 1 where byte != 0: throw .malformed(.socks4Version)
        case 2 where byte != SOCKS4Handshake.granted:
            guard (91...93).contains(byte) else {
                throw .malformed(.socks4Code)
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
        case .ipv6: throw .invalid("an IPv6 address cannot be sent to a SOCKS 4a proxy")
        case .name(let name, let port):
            let bytes = Array(name.utf8)
            guard (1...255).contains(bytes.count), !bytes.contains(0) else {
                throw .invalid("the host name has \(bytes.count) bytes, not 1 to 255")
            }
            return ([0, 0, 0, 1], port, bytes + [0])
        }
    }
}
