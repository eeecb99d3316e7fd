/// How a failed exchange ended on its connection, and what was known of the connection until then.
///
/// From both, `cutBy` says who cut the exchange. Durations are as of the failure; those of the last
/// bytes have the resolution of the system's clock ticks, some milliseconds.
public struct ConnectionEnd: Sendable, Hashable {
    /// What ended the exchange.
    public enum Sign: String, Sendable, Hashable, Codable {
        /// The peer's TCP ended its side (FIN); under TLS without a close_notify before it.
        case fin
        /// The peer ended TLS in good order (close_notify; RFC 8446, section 6.1).
        case closeNotify
        /// The peer, or a device on the way, reset the connection (RST).
        case reset
        /// The peer ended TLS with an alert, or its records failed their check.
        case tlsAlert
        /// The peer reset or refused the HTTP/2 stream (RST_STREAM).
        case streamReset
        /// The peer's GOAWAY leaves the stream unprocessed.
        case goAway
        /// The proxy ended the tunnel's own HTTP/2 stream or connection.
        case tunnelEnd
        /// Neither bytes, acknowledgements nor an answer to a PING came in time.
        case silence
        /// The local address of the connection was removed from this system.
        case localAddressLost
        /// The engine itself: a limit, a violation by the peer, a drain or a shutdown.
        case engine
    }

    /// Who cut an exchange.
    public enum Cutter: String, Sendable, Hashable, Codable {
        /// The origin, or the server that ends TLS in its name.
        case origin
        /// A proxy, or a device between: the origin has said nothing of an end.
        case way
        /// The engine itself.
        case here
    }

    /// What ended the exchange.
    public package(set) var sign: Sign
    /// How old the connection was, since TCP was established.
    public package(set) var age: Duration
    /// Since the last byte came on the connection, or since it was made; `nil` when unknown.
    public package(set) var sinceReceived: Duration?
    /// Since the last byte left on the connection, or since it was made; `nil` when unknown.
    public package(set) var sinceSent: Duration?
    /// Since the last byte of this exchange's response came, or before one since its request left;
    /// `nil` before that.
    public package(set) var silence: Duration?
    /// Since the peer announced the connection's end (GOAWAY); `nil` when it did not.
    public package(set) var sinceGoAway: Duration?
    /// How many PINGs were sent; 0 over HTTP/1.1.
    public package(set) var pings = 0
    /// How many of them were answered.
    public package(set) var pingsAnswered = 0
    /// Since a byte last came after a PING; `nil` when none has.
    public package(set) var sinceAnswer: Duration?
    /// Bytes that the socket has taken since the request began, TLS's own and those of tunnels
    /// included; `nil` over HTTP/2 and on a Unix socket, where they are not counted.
    public package(set) var bytesWritten: UInt64?
    /// How many of those the system at the other end of TCP has acknowledged: the origin's, or the
    /// nearest proxy's; `nil` as `bytesWritten`.
    ///
    /// A reset may overtake an acknowledgement, so 0 alone does not show that nothing arrived:
    /// `TransportError.Replay.notReceived` says where it does.
    public package(set) var bytesAcknowledged: UInt64?
    /// How long later connections of the way wait in silence before a PING, where the peer ended
    /// this one with `too_many_pings`; `nil` elsewhere.
    public package(set) var nextPingAfter: Duration?
    /// After how long a silence the way ends connections that carry an exchange, where this one
    /// agrees with others before it; `nil` elsewhere.
    public package(set) var silenceLimit: Duration?
    /// How many connections ended after about that silence, this one included; 0 without it.
    public package(set) var silenceLimitSeen = 0
    /// Whether a proxy is between, so that the connection's own peer is that proxy.
    public package(set) var isThroughProxy: Bool
    /// Whether TLS reaches to the origin.
    public package(set) var isSecured: Bool

    /// A silence from which on a reset is rather a device's that has forgotten the connection.
    private static let longSilence = Duration.seconds(10)

    package init(_ sign: Sign, age: Duration, isThroughProxy: Bool, isSecured: Bool) {
        self.sign = sign
        self.age = age
        self.isThroughProxy = isThroughProxy
        self.isSecured = isSecured
    }

    /// How long the connection had carried nothing in either direction; `nil` when unknown.
    package var connectionSilence: Duration? {
        guard let sinceReceived, let sinceSent else { return nil }
        return min(sinceReceived, sinceSent)
    }

    /// Who cut the exchange; `nil` where nothing shows it.
    ///
    /// What only the origin can say is the origin's: the end of a stream, a GOAWAY, close_notify. A
    /// TLS connection that ends without such a word at a proxy, or after ten seconds of silence in
    /// both directions, was cut by the way. A plain end of TCP can be either's.
    public var cutBy: Cutter? {
        switch sign {
        case .engine, .localAddressLost: return .here
        case .silence, .tunnelEnd: return .way
        case .streamReset, .goAway: return .origin
        case .closeNotify, .tlsAlert: return isSecured ? .origin : nil
        case .fin, .reset:
            if sinceGoAway != nil { return .origin }
            guard isSecured else { return nil }
            if isThroughProxy { return .way }
            return connectionSilence.map { $0 >= Self.longSilence } == true ? .way : nil
        }
    }
}

extension ConnectionEnd: CustomStringConvertible {
    /// One line without a full stop, as in "RST on a connection of 125 s; last byte received 120 s
    /// before, sent 15 s before; 8 of 8 PINGs answered, the last 15 s before; cut by the way".
    public var description: String {
        var parts = ["\(sign.words) on a connection of \(age.words)"]
        let traffic = [
            sinceReceived.map { "received \($0.words) before" },
            sinceSent.map { "sent \($0.words) before" },
        ].compactMap { $0 }
        if !traffic.isEmpty { parts.append("last byte " + traffic.joined(separator: ", ")) }
        // Where the connection has other traffic than the exchange's.
        if let silence, sinceReceived.map({ silence > $0 + .milliseconds(100) }) ?? true {
            parts.append("none of the response for \(silence.words)")
        }
        if let bytesWritten, let bytesAcknowledged, bytesAcknowledged < bytesWritten {
            parts.append("\(bytesAcknowledged) of \(bytesWritten) bytes written acknowledged")
        }
        if let sinceGoAway { parts.append("GOAWAY \(sinceGoAway.words) before") }
        if pings > 0 {
            let last = sinceAnswer.map { ", the last \($0.words) before" } ?? ""
            parts.append("\(pingsAnswered) of \(pings) PINGs answered\(last)")
        }
        if let silenceLimit {
            parts.append(
                "this way ends silent connections after \(silenceLimit.words) "
                    + "(seen \(silenceLimitSeen) times)")
        }
        if let nextPingAfter {
            parts.append("too_many_pings: \(nextPingAfter.words) between PINGs from now on")
        }
        switch cutBy {
        case .origin: parts.append("cut by the origin")
        case .way: parts.append("cut by the way")
        case .here: parts.append("ended here")
        case nil: break
        }
        return parts.joined(separator: "; ")
    }
}

extension ConnectionEnd.Sign {
    fileprivate var words: String {
        switch self {
        case .fin: "FIN"
        case .closeNotify: "close_notify"
        case .reset: "RST"
        case .tlsAlert: "TLS alert"
        case .streamReset: "RST_STREAM"
        case .goAway: "GOAWAY"
        case .tunnelEnd: "end of the tunnel"
        case .silence: "silence"
        case .localAddressLost: "loss of the local address"
        case .engine: "end"
        }
    }
}
