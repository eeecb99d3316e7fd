public import HTTPTypes

/// A failed exchange, told whole: what, when, where, how far it had come, and whether sending it
/// again is safe.
public struct TransportError: Error, Sendable {
    /// What went wrong.
    public enum Kind: Sendable, Hashable {
        /// The request cannot be sent as it stands; nothing was dialled, unless the body turned out
        /// to have another length than it declared.
        case invalidRequest(InvalidRequest)
        /// The body's producer threw, or its file could not be read; `producerError` is the error.
        case producerFailed
        /// The name did not resolve.
        case dns(isTemporary: Bool)
        /// No address took the connection; the number is the last attempt's `errno`.
        case connect(errno: Int32)
        /// The budget of the error's phase ran out.
        case timeout
        /// The certificate was refused: OpenSSL's verification code.
        case tlsVerify(code: Int)
        /// The TLS handshake failed.
        case tlsHandshake
        /// TLS failed or was ended by an alert after the handshake.
        case tlsAlert
        /// The proxy answered CONNECT with this status.
        case proxyStatus(Int)
        /// The SOCKS proxy gave this reply code (RFC 1928, section 6).
        case proxyReply(UInt8)
        /// The proxy closed the connection or spoke garbage in its handshake.
        case proxyFailed
        /// The peer reset the connection.
        case reset
        /// The connection ended before the message did.
        case truncated
        /// The peer broke the protocol.
        case malformed
        /// The peer sent more than a bound allows.
        case tooLarge
        /// The peer ended the stream with this HTTP/2 error code (RFC 9113, section 7).
        case h2Stream(code: UInt32)
        /// The peer ended the connection with GOAWAY; `debug` is at most 256 bytes of what it said
        /// for people, in visible ASCII.
        case h2GoAway(code: UInt32, lastStreamID: Int32, debug: String = "")
        /// The peer flooded an HTTP/2 connection.
        case h2Abuse
        /// The system is out of something; the number is `errno`.
        case resource(errno: Int32)
        /// The caller cancelled.
        case cancelled
        /// The engine is shutting down, or has.
        case shutdown
        /// Too many callers wait for a connection to this route already.
        case overloaded
    }

    /// What was being done when it went wrong.
    public enum Phase: String, Sendable, Hashable, Codable {
        case request, pool, dns, connect, proxy, tls, send, head, body, total
    }

    /// Which part of the way failed.
    public enum Hop: String, Sendable, Hashable, Codable {
        case proxy, origin
    }

    /// Whether sending the request again can do harm.
    public enum Replay: String, Sendable, Hashable, Codable {
        /// No byte of the request left: safe.
        case notSent
        /// The peer proved that it did not act on it: safe.
        case refusedByPeer
        /// It may have been acted on: the caller decides.
        case unknown
        /// A response had begun: never.
        case responseStarted
    }

    /// One try to reach the peer.
    public struct Attempt: Sendable, Hashable, CustomStringConvertible {
        /// The address tried, as text.
        public let address: String
        /// What became of it.
        public let outcome: String

        public init(address: String, outcome: String) {
            self.address = address
            self.outcome = outcome
        }

        public var description: String { "\(address): \(outcome)" }
    }

    /// What a proxy answered when it refused.
    public struct ProxyAnswer: Sendable, Hashable {
        public let status: Int
        public let fields: HTTPFields
        /// At most `limits.proxyErrorBodyBytes` of its body.
        public let body: Bytes

        public init(status: Int, fields: HTTPFields, body: Bytes) {
            self.status = status
            self.fields = fields
            self.body = body
        }
    }

    /// What went wrong.
    public var kind: Kind {
        get { box.story.kind }
        set { ownBox.story.kind = newValue }
    }
    /// What was being done when it did.
    public var phase: Phase {
        get { box.story.phase }
        set { ownBox.story.phase = newValue }
    }
    /// Which part of the way failed.
    public var hop: Hop {
        get { box.story.hop }
        set { ownBox.story.hop = newValue }
    }
    /// A sentence for people: what was wrong, in the failing layer's own words.
    public var message: String {
        get { box.story.message }
        set { ownBox.story.message = newValue }
    }
    /// The way taken, without credentials; `nil` before one was chosen.
    public var route: Route? {
        get { box.story.route }
        set { ownBox.story.route = newValue }
    }
    /// Each address that was tried, in order.
    public var attempts: [Attempt] {
        get { box.story.attempts }
        set { ownBox.story.attempts = newValue }
    }
    /// Bytes of the request's body given to the connection.
    public var bytesSent: UInt64 {
        get { box.story.bytesSent }
        set { ownBox.story.bytesSent = newValue }
    }
    /// Bytes of the response's body received.
    public var bytesReceived: UInt64 {
        get { box.story.bytesReceived }
        set { ownBox.story.bytesReceived = newValue }
    }
    /// The connection's number in its engine, as in `EngineEvent`; `nil` without a connection.
    public var connectionID: UInt64? {
        get { box.story.connectionID }
        set { ownBox.story.connectionID = newValue }
    }
    /// The address that the connection stands to, as text: the proxy's when there is one; `nil`
    /// without a connection.
    public var remoteAddress: String? {
        get { box.story.remoteAddress }
        set { ownBox.story.remoteAddress = newValue }
    }
    /// The exchange's number, as in `EngineEvent`; `nil` when the engine has no observer.
    public var exchangeID: UInt64? {
        get { box.story.exchangeID }
        set { ownBox.story.exchangeID = newValue }
    }
    /// Whether the connection had carried an exchange before.
    public var isReused: Bool {
        get { box.story.isReused }
        set { ownBox.story.isReused = newValue }
    }
    /// Whether sending the request again can do harm.
    public var replay: Replay {
        get { box.story.replay }
        set { ownBox.story.replay = newValue }
    }
    /// What the proxy said, when it refused.
    public var proxyAnswer: ProxyAnswer? {
        get { box.story.proxyAnswer }
        set { ownBox.story.proxyAnswer = newValue }
    }
    /// Which check refused which certificate, when one was refused (`Kind.tlsVerify`).
    public var certificateRefusal: CertificateRefusal? {
        get { box.story.certificateRefusal }
        set { ownBox.story.certificateRefusal = newValue }
    }

    /// What the body's producer threw (`Kind.producerFailed`), as it was thrown; for a file, the
    /// system's error.
    public var producerError: (any Error)? {
        get { box.story.producerError }
        set { ownBox.story.producerError = newValue }
    }

    private var box: Box

    public init(_ kind: Kind, phase: Phase, message: String, replay: Replay = .notSent) {
        box = Box(Story(kind: kind, phase: phase, message: message, replay: replay))
    }

    /// A request at fault, as an error of kind `invalidRequest`.
    ///
    /// - Parameters:
    ///   - invalid: the part at fault, and what is wrong with it.
    ///   - phase: `request` unless it was found later.
    public init(_ invalid: InvalidRequest, phase: Phase = .request) {
        self.init(.invalidRequest(invalid), phase: phase, message: invalid.description)
    }

    /// The part of the request at fault; `nil` for any other kind than `invalidRequest`.
    public var invalidRequest: InvalidRequest? {
        if case .invalidRequest(let invalid) = kind { invalid } else { nil }
    }

    /// The box, no longer shared with any copy of the error.
    private var ownBox: Box {
        mutating get {
            if !isKnownUniquelyReferenced(&box) { box = Box(box.story) }
            return box
        }
    }

    /// All that the error tells.
    private struct Story {
        var kind: Kind
        var phase: Phase
        var hop = Hop.origin
        var message: String
        var route: Route?
        var attempts: [Attempt] = []
        var bytesSent: UInt64 = 0
        var bytesReceived: UInt64 = 0
        var connectionID: UInt64?
        var remoteAddress: String?
        var exchangeID: UInt64?
        var isReused = false
        var replay: Replay
        var proxyAnswer: ProxyAnswer?
        var certificateRefusal: CertificateRefusal?
        var producerError: (any Error)?
    }

    /// Keeps the story behind one pointer: an error may be thrown through every await, and what it
    /// holds itself, each frame on the way holds several times.
    ///
    /// Unchecked, because it is changed only by the one error that holds it.
    private final class Box: @unchecked Sendable {
        var story: Story

        init(_ story: Story) {
            self.story = story
        }
    }

    /// Whether the caller's own cancellation is what ended the exchange.
    public var isCancelled: Bool { kind == .cancelled }
}

extension TransportError.Kind {
    /// One word for logs and for the tool's JSON: the case's name.
    public var name: String {
        switch self {
        case .invalidRequest: "invalidRequest"
        case .producerFailed: "producer"
        case .dns: "dns"
        case .connect: "connect"
        case .timeout: "timeout"
        case .tlsVerify: "tlsVerify"
        case .tlsHandshake: "tlsHandshake"
        case .tlsAlert: "tlsAlert"
        case .proxyStatus, .proxyReply, .proxyFailed: "proxy"
        case .reset: "reset"
        case .truncated: "truncated"
        case .malformed: "malformed"
        case .tooLarge: "tooLarge"
        case .h2Stream: "h2Stream"
        case .h2GoAway: "h2GoAway"
        case .h2Abuse: "h2Abuse"
        case .resource: "resource"
        case .cancelled: "cancelled"
        case .shutdown: "shutdown"
        case .overloaded: "overloaded"
        }
    }
}

extension TransportError: CustomStringConvertible {
    /// One line: kind, phase, message, route, connection, counts and the replay verdict.
    public var description: String {
        var text = "\(kind.name) in \(phase.rawValue)"
        if hop == .proxy { text += " at the proxy" }
        text += ": \(message)"
        if let route { text += " [\(route)]" }
        if let connectionID {
            text += " (connection \(connectionID)"
            if let remoteAddress { text += " to \(remoteAddress)" }
            if let exchangeID { text += ", exchange \(exchangeID)" }
            text += ")"
        }
        if !attempts.isEmpty {
            text += " (tried \(attempts.map(\.description).joined(separator: "; ")))"
        }
        return text + " (of bodies: sent \(bytesSent) B, received \(bytesReceived) B;"
            + " replay: \(replay.rawValue))"
    }
}
