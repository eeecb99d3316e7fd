import ApusCore

/// The target that a SOCKS proxy connects to.
package enum SOCKSTarget: Sendable, Hashable {
    /// A name that the proxy resolves.
    case name(String, port: UInt16)
    /// Four bytes in network order.
    case ipv4([UInt8], port: UInt16)
    /// Sixteen bytes in network order.
    case ipv6([UInt8], port: UInt16)
}

/// Requests a tunnel from a SOCKS 5 proxy (RFC 1928), with a password if it requires one (RFC
/// 1929).
///
/// Exactly the bytes of the answers are consumed: what follows the last one belongs to the tunnel.
package struct SOCKS5Handshake: Sendable {
    /// The message that the proxy answers next.
    private enum State {
        /// Our greeting with the methods that we support.
        ///
        /// Exits: `.password`, `.request`.
        case greeting
        /// Our user and password.
        ///
        /// Exits: `.request`.
        case password
        /// Our request for the tunnel.
        ///
        /// Exits: `.established`.
        case request
        /// No exits.
        case established
    }

    private static let version: UInt8 = 5
    private static let noAuthentication: UInt8 = 0
    private static let userAndPassword: UInt8 = 2

    private let target: [UInt8]
    private let credentials: ProxyCredentials?
    private var state = State.greeting
    /// The answer so far; at most 262 bytes, the longest in the protocol.
    private var answer: [UInt8] = []

    init(to target: SOCKSTarget, credentials: ProxyCredentials?) throws(TunnelError) {
        self.target = try SOCKS5Handshake.encode(target)
        self.credentials = credentials
    }

    func start(output: inout [UInt8]) {
        let methods =
            credentials == nil
            ? [SOCKS5Handshake.noAuthentication]
            : [SOCKS5Handshake.noAuthentication, SOCKS5Handshake.userAndPassword]
        output += [SOCKS5Handshake.version, UInt8(methods.count)] + methods
    }

    mutating func bytesReceived(
        _ input: RawSpan, offset: inout Int, output: inout [UInt8]
    ) throws(TunnelError) -> TunnelProgress {
        while state != .established {
            while answer.count < answerLength {
                guard offset < input.byteCount else { return .needsBytes }
                answer.append(unsafe input.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
                offset += 1
                try checkByte()
            }
            try answerReceived(output: &output)
        }
        return .established
    }

    /// The length of the current answer, as far as its bytes so far show.
    private var answerLength: Int {
        guard state == .request else { return 2 }
        // VER REP RSV ATYP, then an address, which may begin with its length, then the port.
        guard answer.count >= 5 else { return 5 }
        switch answer[3] {
        case 1: return 4 + 4 + 2
        case 4: return 4 + 16 + 2
        default: return 4 + 1 + Int(answer[4]) + 2
        }
    }

    /// Checks the newest byte, where it is decisive.
    ///
    /// A refusal may be cut short, and an address of unknown type has no known length.
    private func checkByte() throws(TunnelError) {
        let byte = answer[answer.count - 1]
        switch (state, answer.count) {
        case (.greeting, 1) where byte != SOCKS5Handshake.version:
            throw .malformed(.greetingVersion)
        case (.password, 1) where byte != 1:
            throw .malformed(.passwordVersion)
        case (.request, 1) where byte != SOCKS5Handshake.version:
            throw .malformed(.replyVersion)
        case (.request, 2) where byte != 0: throw .reply(byte)
        case (.request, 4) where ![1, 3, 4].contains(byte):
            throw .malformed(.addressType)
        default: break
        }
    }

    private mutating func answerReceived(output: inout [UInt8]) throws(TunnelError) {
        defer { answer = [] }
        switch state {
        case .greeting: try methodChosen(output: &output)
        case .password:
            guard answer[1] == 0 else { throw .authenticationRefused }
            state = .request
            output += target
        case .request:
            // The rest is the proxy's own address, which is not needed.
            state = .established
        case .established: break
        }
    }

    private mutating func methodChosen(output: inout [UInt8]) throws(TunnelError) {
        switch (answer[1], credentials) {
        case (SOCKS5Handshake.noAuthentication, _):
            state = .request
            output += target
        case (SOCKS5Handshake.userAndPassword, let credentials?):
            state = .password
            let (user, password) = (Array(credentials.user.utf8), Array(credentials.password.utf8))
            output += [1, UInt8(user.count)] + user + [UInt8(password.count)] + password
        default: throw .methodRefused(answer[1], hadCredentials: credentials != nil)
        }
    }

    /// VER CMD RSV ATYP DST.ADDR DST.PORT (RFC 1928, section 4).
    private static func encode(_ target: SOCKSTarget) throws(TunnelError) -> [UInt8] {
        let address: [UInt8]
        let port: UInt16
        switch target {
        case .name(let name, let namePort):
            let bytes = Array(name.utf8)
            guard (1...255).contains(bytes.count) else {
                throw .invalid("the host name has \(bytes.count) bytes, not 1 to 255")
            }
            address = [3, UInt8(bytes.count)] + bytes
            port = namePort
        case .ipv4(let bytes, let addressPort):
            precondition(bytes.count == 4, "an IPv4 address has 4 bytes")
            address = [1] + bytes
            port = addressPort
        case .ipv6(let bytes, let addressPort):
            precondition(bytes.count == 16, "an IPv6 address has 16 bytes")
            address = [4] + bytes
            port = addressPort
        }
        return [version, 1, 0] + address + [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
    }
}
