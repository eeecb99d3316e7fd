package import ApusCore
import ApusHTTP2
package import HTTPTypes

/// The progress of a handshake with a proxy.
package enum TunnelProgress: Sendable, Hashable {
    /// More of the proxy's answer is needed.
    case needsBytes
    /// The tunnel is established: what follows comes from the target.
    case established
}

/// Why a proxy gave no tunnel.
package enum TunnelError: Error, Sendable, Hashable {
    /// CONNECT was answered with a status other than 2xx.
    case refused(TransportError.ProxyAnswer)
    /// The SOCKS proxy replied with an error code, which `SOCKSCause` explains.
    case reply(UInt8)
    /// The SOCKS proxy refused the password.
    case authenticationRefused
    /// The SOCKS proxy accepts none of our methods (255), or chose one that was not offered.
    case methodRefused(UInt8, hadCredentials: Bool)
    /// The proxy ended the stream of an HTTP/2 CONNECT with this code.
    case streamReset(code: UInt32)
    /// The proxy's answer breaks the protocol.
    case malformed(TunnelBreach)
    /// The proxy closed the connection before the tunnel was established.
    case closed
    /// The proxy's answer exceeds a limit.
    case tooLarge(TunnelExcess)
    /// The target cannot be sent to this proxy; nothing was sent.
    case invalid(String)
}

/// A handshake with a proxy of any kind, sans-IO: bytes in, bytes out.
///
/// Start it once, send its output, then pass it the received bytes until it is established or
/// throws.
package enum TunnelHandshake {
    case connect(ConnectHandshake)
    case http2Connect(HTTP2ConnectHandshake)
    case socks4a(SOCKS4Handshake)
    case socks5(SOCKS5Handshake)

    /// CONNECT through an http or https proxy (RFC 9110, section 9.3.6).
    ///
    /// - Parameters:
    ///   - authority: host and port, with brackets around IPv6.
    ///   - fields: fields for the proxy only, including credentials.
    package static func connect(
        to authority: String, fields: HTTPFields, limits: EngineTuning.Limits
    ) -> TunnelHandshake {
        .connect(ConnectHandshake(to: authority, fields: fields, limits: limits))
    }

    /// CONNECT on a stream of its own session (RFC 9113, section 8.5).
    ///
    /// The parameters are those of `connect`.
    ///
    /// - Throws: `TunnelError` when there is no memory for the session.
    package static func http2Connect(
        to authority: String, fields: HTTPFields, _ tuning: EngineTuning.HTTP2,
        limits: EngineTuning.Limits
    ) throws(TunnelError) -> TunnelHandshake {
        .http2Connect(
            try HTTP2ConnectHandshake(to: authority, fields: fields, tuning, limits: limits))
    }

    /// SOCKS version 4a, with the user where there are credentials.
    ///
    /// - Throws: `TunnelError.invalid` when the target is an IPv6 address, or its name is empty or
    ///   longer than 255 bytes.
    package static func socks4a(
        to target: SOCKSTarget, credentials: ProxyCredentials?
    ) throws(TunnelError) -> TunnelHandshake {
        .socks4a(try SOCKS4Handshake(to: target, credentials: credentials))
    }

    /// SOCKS version 5 (RFC 1928), with a password where there are credentials (RFC 1929).
    ///
    /// - Throws: `TunnelError.invalid` when the target's name is empty or longer than 255 bytes.
    package static func socks5(
        to target: SOCKSTarget, credentials: ProxyCredentials?
    ) throws(TunnelError) -> TunnelHandshake {
        .socks5(try SOCKS5Handshake(to: target, credentials: credentials))
    }

    /// Appends the first message.
    package mutating func start(output: inout [UInt8]) throws(TunnelError) {
        switch self {
        case .connect(let handshake): try handshake.start(output: &output)
        case .http2Connect(var handshake):
            defer { self = .http2Connect(handshake) }
            try handshake.start(output: &output)
        case .socks4a(let handshake): handshake.start(output: &output)
        case .socks5(let handshake): handshake.start(output: &output)
        }
    }

    /// Continues with received bytes, and advances `offset` over those of the handshake.
    ///
    /// Once established, the rest of the input from `offset` on belongs to the tunnel.
    package mutating func bytesReceived(
        _ input: RawSpan, offset: inout Int, output: inout [UInt8]
    ) throws(TunnelError) -> TunnelProgress {
        switch self {
        case .connect(var handshake):
            defer { self = .connect(handshake) }
            return try handshake.bytesReceived(input, offset: &offset)
        case .http2Connect(var handshake):
            defer { self = .http2Connect(handshake) }
            return try handshake.bytesReceived(input, offset: &offset, output: &output)
        case .socks4a(var handshake):
            defer { self = .socks4a(handshake) }
            return try handshake.bytesReceived(input, offset: &offset)
        case .socks5(var handshake):
            defer { self = .socks5(handshake) }
            return try handshake.bytesReceived(input, offset: &offset, output: &output)
        }
    }

    /// The error for an early end of the connection.
    package mutating func streamEnded() -> TunnelError {
        switch self {
        case .connect(var handshake): handshake.streamEnded()
        case .http2Connect(let handshake): handshake.streamEnded()
        case .socks4a, .socks5: .closed
        }
    }

    /// Whether another CONNECT may follow a refused one on the same connection.
    package var mayAskAgain: Bool {
        switch self {
        case .connect(let handshake): handshake.mayAskAgain
        case .http2Connect(let handshake): handshake.mayAskAgain
        case .socks4a, .socks5: false
        }
    }

    /// Makes ready to ask once more on the same connection; `start` does.
    ///
    /// - Parameter fields: for the proxy alone, with what answers its refusal.
    package mutating func askAgain(with fields: HTTPFields) {
        switch self {
        case .connect(var handshake):
            handshake.askAgain(with: fields)
            self = .connect(handshake)
        case .http2Connect(var handshake):
            handshake.askAgain(with: fields)
            self = .http2Connect(handshake)
        case .socks4a, .socks5: break
        }
    }

    /// Whether bytes that follow in the same read as the proxy's 2xx are still this handshake's:
    /// those of HTTP/2 go through the session, which keeps the tunnel's.
    package var takesBytesOfTunnel: Bool {
        if case .http2Connect = self { true } else { false }
    }

    /// Gives an HTTP/2 session the time, which its bounds on frames count by.
    package func timePassed(now: Deadline) {
        if case .http2Connect(let handshake) = self { handshake.session.timePassed(now: now) }
    }
}
