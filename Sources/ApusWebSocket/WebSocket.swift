public import Apus

/// A web socket: messages in both directions over one connection (RFC 6455) or one stream of
/// HTTP/2 (RFC 8441).
///
/// One task reads, any tasks send; whole messages are sent in the order of the calls. Releasing the
/// last reference, that of `messages` included, closes the connection without a Close.
public final class WebSocket: Sendable {
    /// The head of the response that opened the web socket.
    public let head: HTTPResponse
    /// The HTTP version that carries it.
    public let version: HTTPVersion
    /// Facts about the connection and the time of the handshake.
    public let info: ExchangeInfo
    /// The subprotocol that the server chose of those offered; `nil` for none.
    public let subprotocol: String?
    /// Whether the server accepted permessage-deflate.
    public let isCompressed: Bool

    private let core: SocketCore
    /// The task that pings; it does not keep the web socket.
    private let pinging: Task<Void, any Error>?

    init(
        _ response: Response, _ core: SocketCore, _ agreement: WebSocketHandshake.Agreement,
        _ time: Timekeeper, hasPings: Bool
    ) {
        head = response.head
        version = response.version
        info = response.info
        subprotocol = agreement.subprotocol
        isCompressed = agreement.deflate != nil
        self.core = core
        pinging = hasPings ? Self.keepAlive(core, time) : nil
    }

    deinit {
        pinging?.cancel()
        core.dropped()
    }

    // MARK: Opening

    /// Opens a web socket.
    ///
    /// - Parameters:
    ///   - url: a `ws`, `wss`, `http` or `https` URL without a fragment.
    ///   - transport: what sends the handshake: an engine, a client or a layer over one.
    ///   - options: options of the web socket.
    /// - Throws: `WebSocketError`; `.refused` with the response when the server did not switch.
    public static func connect(
        _ url: String, over transport: any HTTPTransport, options: WebSocketOptions = .init()
    ) async throws(WebSocketError) -> WebSocket {
        try await connect(
            WebSocketHandshake.request(for: url), over: transport, options: options)
    }

    /// Opens a web socket by a request, which may have fields such as `Origin` or `Authorization`.
    ///
    /// - Parameters:
    ///   - request: a GET request of scheme `ws`, `wss`, `http` or `https`, without the fields of
    ///     the handshake itself.
    ///   - transport: what sends the handshake: an engine, a client or a layer over one.
    ///   - options: options of the web socket.
    ///   - clock: the clock of pings and of the closing handshake.
    /// - Throws: `WebSocketError`; `.refused` with the response when the server did not switch.
    public static func connect(
        _ request: HTTPRequest, over transport: any HTTPTransport,
        options: WebSocketOptions = .init(), clock: some Clock<Duration> = ContinuousClock()
    ) async throws(WebSocketError) -> WebSocket {
        try await connect(
            request, over: transport, options: options, time: Timekeeper(clock),
            random: SystemRandomNumberGenerator())
    }

    /// As above, with the source of random numbers.
    package static func connect(
        _ request: HTTPRequest, over transport: any HTTPTransport, options: WebSocketOptions,
        time: Timekeeper, random: some RandomNumberGenerator & Sendable
    ) async throws(WebSocketError) -> WebSocket {
        var random = random
        let handshake = try WebSocketHandshake(
            request, options: options, key: HandshakeKey(using: &random))
        let (response, isUpgrade) = try await send(handshake, over: transport, options.version)
        guard let duplex = response.duplex else { throw .refused(response) }
        let agreement = try handshake.check(response.head, isUpgrade: isUpgrade)
        let machine = WebSocketMachine(
            .client,
            limits: .init(
                frame: options.maxFrameSize, message: options.maxMessageSize,
                sentFrame: options.maxSentFrameSize), agreement: agreement.deflate)
        let keepAlive = options.pings.map {
            KeepAlive(interval: $0.interval, timeout: $0.timeout, now: time.now())
        }
        let core = SocketCore(
            duplex, machine, masks: MaskKeys(random), time: time, keepAlive: keepAlive,
            closeTimeout: options.closeTimeout)
        return WebSocket(response, core, agreement, time, hasPings: keepAlive != nil)
    }

    /// Sends the handshake over the version asked for.
    private static func send(
        _ handshake: WebSocketHandshake, over transport: any HTTPTransport,
        _ version: WebSocketOptions.Version
    ) async throws(WebSocketError) -> (Response, isUpgrade: Bool) {
        do throws(TransportError) {
            if version == .http2 || version == .http2ThenHTTP1 && handshake.isSecure {
                do throws(TransportError) {
                    let (request, options) = handshake.stream
                    return (try await transport.send(request, options: options), false)
                } catch {
                    guard version == .http2ThenHTTP1, isWithoutStreams(error) else { throw error }
                }
            }
            let (request, options) = handshake.upgrade
            return (try await transport.send(request, options: options), true)
        } catch {
            throw .transport(error)
        }
    }

    /// Whether the server speaks no HTTP/2, or takes no web socket over it; nothing was sent.
    private static func isWithoutStreams(_ error: TransportError) -> Bool {
        guard error.replay == .notSent else { return false }
        return switch error.kind {
        case .invalidRequest(let invalid): invalid.field == "protocol"
        case .tlsHandshake, .tlsAlert: true
        default: false
        }
    }

    // MARK: Messages

    /// The messages as they arrive.
    public var messages: WebSocketMessages { WebSocketMessages(self) }

    /// The next message; `nil` after a closing handshake as planned (1000, 1001, or no code).
    ///
    /// One task reads at a time. A cancelled read consumes nothing, and the next read continues.
    /// Pings are answered, and Closes taken, only while a task reads.
    ///
    /// - Throws: `WebSocketError`, after all messages received before the failure: `.closed` for a
    ///   Close of another code, `.violation`, `.truncated`, `.pongMissing`, `.transport`.
    public func receive() async throws(WebSocketError) -> WebSocketMessage? {
        try await core.next()
    }

    /// Sends a message, after those sent before, and returns when there is room for more.
    ///
    /// A cancelled call sends nothing or the whole message; a message that is sent in fragments
    /// (`maxSentFrameSize`) cannot be taken back, so cancelling it closes the connection. At most
    /// 1024 calls wait.
    ///
    /// - Throws: `WebSocketError`, `.closed` or `.invalidUse` after the closing handshake began.
    public func send(_ message: WebSocketMessage) async throws(WebSocketError) {
        try await core.send(message)
    }

    /// Sends a text, as `send(.text(text))`.
    public func send(_ text: String) async throws(WebSocketError) {
        try await core.send(.text(text))
    }

    // MARK: The end

    /// The Close that the peer has sent; `nil` before that.
    public var peerClose: WebSocketClose? {
        get async { await core.peerClose }
    }

    /// Performs the closing handshake, after the messages whose sending has begun, and closes the
    /// connection; a second call does nothing.
    ///
    /// A task that reads gets the messages that arrive before the peer's Close; if none reads, up
    /// to 1 MiB of them are kept for later reads. Cancelling it closes the connection.
    ///
    /// - Parameters:
    ///   - code: why; `normal` by default. It must be one that a Close may name.
    ///   - reason: a reason in words, at most 123 bytes.
    /// - Throws: `WebSocketError`, `.closeTimeout` when the peer's Close did not arrive in time;
    ///   the connection is then closed all the same.
    public func close(
        code: WebSocketCloseCode = .normal, reason: String = ""
    ) async throws(WebSocketError) {
        try await core.close(WebSocketClose(code, reason: reason))
    }

    /// Closes the connection at once, without a Close; a waiting read throws, and a second call
    /// does nothing.
    public func cancel() {
        core.cancel()
    }

    /// Pings when it is time, without keeping the core.
    private static func keepAlive(
        _ core: SocketCore, _ time: Timekeeper
    ) -> Task<Void, any Error> {
        Task { [weak core] in
            while let delay = await core?.nextTick {
                try await time.sleep(delay)
                await core?.tick()
            }
        }
    }
}
