public import HTTPTypes

/// A failed exchange: what went wrong, in which phase and where, how far the exchange had come, and
/// whether sending the request again is safe.
public struct TransportError: Error, Sendable {
    /// What went wrong.
    public enum Kind: Sendable, Hashable {
        /// The request cannot be sent as it is; nothing was dialled, unless the body turned out to
        /// have another length than declared.
        case invalidRequest(InvalidRequest)
        /// The body's producer threw, or its file could not be read; `producerError` is the error.
        case producerFailed
        /// The host's name did not resolve.
        case dns(isTemporary: Bool)
        /// No address accepted the connection; the number is the `errno` of the last attempt.
        case connect(errno: Int32)
        /// The time limit of the error's phase passed.
        case timeout
        /// The certificate was refused: OpenSSL's verification code.
        case tlsVerify(code: Int)
        /// The TLS handshake failed.
        case tlsHandshake
        /// TLS failed or was ended by an alert after the handshake.
        case tlsAlert
        /// The proxy answered CONNECT with this status, which is not 2xx.
        case proxyStatus(Int)
        /// The SOCKS proxy gave this reply code (RFC 1928, section 6).
        case proxyReply(UInt8)
        /// The proxy closed the connection or broke the protocol during its handshake, or ended the
        /// tunnel before any byte came through it.
        case proxyFailed
        /// The peer reset the connection.
        case reset
        /// The connection ended before the message was complete.
        case truncated
        /// The peer broke the protocol.
        case malformed
        /// The peer sent more than a limit allows.
        case tooLarge
        /// The peer ended the stream with this HTTP/2 error code (RFC 9113, section 7).
        case h2Stream(code: UInt32)
        /// The peer ended the connection with GOAWAY; `debug` is at most 256 bytes of its debug
        /// data, in visible ASCII (RFC 9113, section 6.8).
        case h2GoAway(code: UInt32, lastStreamID: Int32, debug: String = "")
        /// The peer flooded an HTTP/2 connection.
        case h2Abuse
        /// A redirect must not be followed, for this reason.
        case redirect(RedirectFault)
        /// The system has run out of a resource, such as descriptors or memory; the number is
        /// `errno`.
        case resource(errno: Int32)
        /// The caller cancelled the request.
        case cancelled
        /// The engine is shutting down or has shut down.
        case shutdown
        /// Too many requests already wait for a connection to this route.
        case overloaded
    }

    /// A phase of an exchange.
    public enum Phase: String, Sendable, Hashable, Codable {
        /// Checking the request.
        case request
        /// Waiting for a connection.
        case pool
        /// Resolving the host's name.
        case dns
        /// Connecting TCP.
        case connect
        /// The handshake with a proxy.
        case proxy
        /// The TLS handshake.
        case tls
        /// Sending the request.
        case send
        /// Waiting for the response's head.
        case head
        /// Receiving the response's body.
        case body
        /// The whole exchange, for its total timeout.
        case total
    }

    /// The peer at which an exchange failed.
    public enum Hop: String, Sendable, Hashable, Codable {
        /// A proxy on the way to the origin.
        case proxy
        /// The origin.
        case origin
    }

    /// Whether sending the request again can do harm.
    ///
    /// It does not say whether that makes sense: an invalid request was not sent either. `advice`
    /// says both.
    public enum Replay: String, Sendable, Hashable, Codable {
        /// No byte of the request left, in any try: no harm.
        case notSent
        /// The peer had ended its side before a byte of the request reached it, and its system
        /// refused the bytes that came after: no harm (HTTP/1.1; `http1.detectsNonArrival`).
        case notReceived
        /// The peer proved that it did not act on it: no harm.
        case refusedByPeer
        /// The peer may have acted on it: only an idempotent request may be sent again.
        case unknown
        /// A response had begun: it must not be sent again.
        case responseStarted
    }

    /// One try to reach the peer.
    public struct Attempt: Sendable, Hashable, CustomStringConvertible {
        /// The address tried, as text.
        public let address: String
        /// What became of the attempt.
        public let outcome: String

        /// Creates a record of one attempt.
        public init(address: String, outcome: String) {
            self.address = address
            self.outcome = outcome
        }

        /// Address and outcome, as in "127.0.0.1:80: Connection refused".
        public var description: String { "\(address): \(outcome)" }
    }

    /// A proxy's response that refused a tunnel.
    public struct ProxyAnswer: Sendable, Hashable {
        /// The status code.
        public let status: Int
        /// The header fields.
        public let fields: HTTPFields
        /// The first bytes of the body, at most `limits.proxyErrorBodyBytes`.
        public let body: Bytes

        /// Creates a record of a proxy's response.
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
    /// The phase of the exchange in which it went wrong.
    public var phase: Phase {
        get { box.story.phase }
        set { ownBox.story.phase = newValue }
    }
    /// The peer at which the exchange failed: `origin` unless a proxy failed.
    public var hop: Hop {
        get { box.story.hop }
        set { ownBox.story.hop = newValue }
    }
    /// What was wrong, in words, from the layer that failed; it names no secret.
    public var message: String {
        get { box.story.message }
        set { ownBox.story.message = newValue }
    }
    /// The route of the exchange, whose description holds no credentials; `nil` before one was
    /// chosen.
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
    /// The address that the connection is connected to, as text: the proxy's when there is one;
    /// `nil` without a connection.
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
    /// Whether sending the request again can do harm; `advice` also says whether it makes sense.
    public var replay: Replay {
        get { box.story.replay }
        set { ownBox.story.replay = newValue }
    }
    /// The response of the proxy that refused; `nil` for any other error.
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

    /// The tries that layers made, in order, the last of them the one that failed with this error;
    /// empty without such a layer.
    public var tries: [Try] {
        get { box.story.tries }
        set { ownBox.story.tries = newValue }
    }

    /// The limit that was reached, for a `timeout` by one of the limits of `RequestOptions`; `nil`
    /// for any other error.
    public var timeLimit: TimeLimit? {
        get { box.story.timeLimit }
        set { ownBox.story.timeLimit = newValue }
    }

    /// How the exchange ended on its connection, and who cut it; `nil` for an exchange that was not
    /// on one, or that the caller cancelled.
    public var connectionEnd: ConnectionEnd? {
        get { box.story.connectionEnd }
        set { ownBox.story.connectionEnd = newValue }
    }
    /// The metadata of the request (`RequestOptions.metadata`); `nil` without any.
    public var metadata: RequestMetadata? {
        get { box.story.metadata }
        set { ownBox.story.metadata = newValue }
    }
    /// Whether a dial failed with this error, which `EngineEvent.dialFailed` then reports.
    package var isOfDial: Bool {
        get { box.story.isOfDial }
        set { ownBox.story.isOfDial = newValue }
    }

    /// Whether the peer answered HTTP/2 with HTTP/1: it acted on nothing.
    package var peerSpeaksHTTP1: Bool {
        get { box.story.peerSpeaksHTTP1 }
        set { ownBox.story.peerSpeaksHTTP1 = newValue }
    }

    /// Whether no dial was made, because the proxy is failing.
    package var isHeldBack: Bool {
        get { box.story.isHeldBack }
        set { ownBox.story.isHeldBack = newValue }
    }

    private var box: Box

    /// Creates an error with a verdict on sending again.
    ///
    /// - Parameters:
    ///   - kind: what went wrong.
    ///   - phase: the phase in which it did.
    ///   - message: a sentence for people; it must hold no secret.
    ///   - replay: whether sending again can do harm; `notSent` by default.
    public init(_ kind: Kind, phase: Phase, message: String, replay: Replay = .notSent) {
        box = Box(Story(kind: kind, phase: phase, message: message, replay: replay))
    }

    /// Creates an error of kind `invalidRequest`.
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

    /// Everything that the error reports.
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
        var tries: [Try] = []
        var metadata: RequestMetadata?
        var timeLimit: TimeLimit?
        var connectionEnd: ConnectionEnd?
        var isOfDial = false
        var peerSpeaksHTTP1 = false
        var isHeldBack = false
    }

    /// Keeps the facts in one heap object: an error is thrown through many `await`s, and each frame
    /// on the way holds several copies of the error's own storage.
    ///
    /// Unchecked, because only the one error that references it changes it.
    private final class Box: @unchecked Sendable {
        var story: Story

        init(_ story: Story) {
            self.story = story
        }
    }

    /// Whether the caller's own cancellation ended the exchange.
    public var isCancelled: Bool { kind == .cancelled }
}

extension TransportError.Kind {
    /// The name of the kind, for logs and for the tool's JSON.
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
        case .redirect: "redirect"
        case .resource: "resource"
        case .cancelled: "cancelled"
        case .shutdown: "shutdown"
        case .overloaded: "overloaded"
        }
    }
}

extension TransportError.Kind {
    /// What failed, in two or three words, as a description begins.
    package var summary: String {
        switch self {
        case .invalidRequest: "invalid request"
        case .producerFailed: "body producer failed"
        case .dns: "name resolution failed"
        case .connect: "connect failed"
        case .timeout: "timed out"
        case .tlsVerify: "certificate refused"
        case .tlsHandshake: "TLS handshake failed"
        case .tlsAlert: "TLS failed"
        case .proxyStatus, .proxyReply, .proxyFailed: "proxy failed"
        case .reset: "connection reset"
        case .truncated: "message truncated"
        case .malformed: "protocol violation"
        case .tooLarge: "limit exceeded"
        case .h2Stream: "stream reset"
        case .h2GoAway: "GOAWAY received"
        case .h2Abuse: "flood received"
        case .redirect: "redirect refused"
        case .resource: "resource exhausted"
        case .cancelled: "cancelled"
        case .shutdown: "shut down"
        case .overloaded: "overloaded"
        }
    }
}

extension TransportError: CustomStringConvertible {
    /// One line: what failed, the message, phase, route, connection and its end, body bytes and the
    /// replay verdict, as in "connect failed: Connection refused (phase connect)
    /// [http://a.example] ...".
    public var description: String {
        var text = "\(kind.summary): \(message) (phase \(phase.rawValue)"
        text += hop == .proxy ? ", at the proxy)" : ")"
        if let route { text += " [\(route)]" }
        if let tag = metadata?.tag, !tag.isEmpty { text += " (tag \(tag))" }
        if let connectionID {
            text += " (connection \(connectionID)"
            if let remoteAddress { text += " to \(remoteAddress)" }
            if let exchangeID { text += ", exchange \(exchangeID)" }
            text += ")"
        }
        if !attempts.isEmpty {
            text += " (tried \(attempts.map(\.description).joined(separator: "; ")))"
        }
        if !tries.isEmpty {
            text += " (tries: \(tries.map(\.description).joined(separator: "; ")))"
        }
        if let connectionEnd { text += " (\(connectionEnd))" }
        return text + " (body bytes: \(bytesSent) sent, \(bytesReceived) received;"
            + " replay: \(replay.rawValue))"
    }
}
