public import Apus

/// Options of one web socket.
public struct WebSocketOptions: Sendable {
    /// Which HTTP version carries a web socket.
    public enum Version: Sendable, Hashable {
        /// An upgrade of an HTTP/1.1 connection (RFC 6455).
        case http1
        /// A stream of an HTTP/2 connection (RFC 8441).
        case http2
        /// HTTP/2 if the server offers it, else HTTP/1.1; a `ws` URL uses HTTP/1.1.
        case http2ThenHTTP1
    }

    /// When pings are sent, and how long their answers may take (RFC 6455, section 5.5.2).
    public struct Pings: Sendable, Hashable {
        /// The silence of the peer before a ping; 20 s by default.
        public var interval: Duration
        /// How long the peer may remain silent after a ping; 20 s by default.
        public var timeout: Duration

        /// Creates settings of pings.
        public init(interval: Duration = .seconds(20), timeout: Duration = .seconds(20)) {
            self.interval = interval
            self.timeout = timeout
        }
    }

    /// Compression of messages (permessage-deflate, RFC 7692).
    ///
    /// A connection that sends holds 256 KiB for it, one that receives 40 KiB; without context
    /// takeover both are held only while a message is compressed or decompressed.
    public struct Compression: Sendable, Hashable {
        /// Whether what the client sends may refer to its earlier messages; `true` by default.
        public var clientContextTakeover = true
        /// Whether what the server sends may refer to its earlier messages; `true` by default.
        public var serverContextTakeover = true
        /// The window of what the client sends, in bits, 9 to 15; 15 by default.
        public var clientWindowBits = 15
        /// The window of what the server sends, in bits, 9 to 15; 15 by default.
        public var serverWindowBits = 15
        /// The level, 1, fastest, to 9, smallest; 6 by default.
        public var level = 6
        /// The length from which messages are compressed, in bytes; 64 by default.
        public var minimumLength = 64

        /// Creates the default settings.
        public init() {}
    }

    /// The subprotocols offered, the preferred one first; none by default.
    public var subprotocols: [String] = []
    /// The HTTP version; `http1` by default.
    public var version = Version.http1
    /// Options of the request: proxy, timeouts, isolation; those of the client by default.
    public var request = RequestOptions()
    /// The time for the handshake, if `request.totalTimeout` sets none; 30 s by default.
    public var handshakeTimeout = Duration.seconds(30)
    /// The time for the closing handshake; 10 s by default.
    public var closeTimeout = Duration.seconds(10)
    /// Compression to offer; `nil`, the default, offers none.
    public var compression: Compression?
    /// When pings are sent; by default after 20 s of silence, with 20 s for the answer.
    ///
    /// `nil` sends none.
    ///
    /// Pings need one task for each web socket. Their answers are read as everything else, so a
    /// missing answer ends the web socket only if a read has waited for all of the timeout.
    public var pings: Pings? = Pings()
    /// The largest frame to accept, in bytes; 16 MiB by default.
    public var maxFrameSize = 16 * 1024 * 1024
    /// The largest message to accept, decompressed, in bytes; 16 MiB by default.
    public var maxMessageSize = 16 * 1024 * 1024
    /// The largest frame to send, in bytes; 1 MiB by default.
    ///
    /// A longer message is sent in fragments, between which pings are answered.
    public var maxSentFrameSize = 1024 * 1024

    /// Creates the default options.
    public init() {}

    /// Refuses values that cannot be meant.
    func check() throws(WebSocketError) {
        guard maxFrameSize > 0, maxMessageSize > 0, maxSentFrameSize > 0 else {
            throw .invalidUse("a size limit is not positive")
        }
        guard handshakeTimeout > .zero, closeTimeout > .zero else {
            throw .invalidUse("a timeout is not positive")
        }
        if let pings {
            guard pings.interval > .zero, pings.timeout > .zero else {
                throw .invalidUse("an interval of pings is not positive")
            }
        }
        guard let compression else { return }
        guard (9...15).contains(compression.clientWindowBits),
            (9...15).contains(compression.serverWindowBits)
        else { throw .invalidUse("a window is not in 9...15 bits") }
        guard (1...9).contains(compression.level) else {
            throw .invalidUse("a compression level is not in 1...9")
        }
        guard compression.minimumLength >= 0 else {
            throw .invalidUse("a length is negative")
        }
    }
}
