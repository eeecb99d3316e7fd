public import HTTPTypes

/// What one request wants that others may not; every `nil` leaves the choice to the client.
public struct RequestOptions: Sendable {
    /// How a request shares connections.
    public enum Reuse: Sendable, Hashable {
        /// An idle connection if there is one, and it is kept afterwards.
        case pooled
        /// A new connection, which is kept afterwards.
        case fresh
        /// A new connection, which is closed afterwards.
        case oneShot
        /// An idle connection if there is one, and it is closed afterwards.
        ///
        /// An HTTP/2 connection takes no other request from then on, and closes after those that
        /// it carries.
        case pooledThenClosed
    }

    /// A timeout that is none: for a request that is to have no limit where its client or the
    /// engine has one.
    public static let unlimited = Duration.seconds(Int64.max)

    /// From the call to the last byte; `nil`, the default, is the client's, and `unlimited` lifts
    /// that.
    public var totalTimeout: Duration?
    /// From the request's start to the final head; `nil`, the default, is no limit.
    public var headTimeout: Duration?
    /// Silence of the peer since the head or the last bytes of the body, while they are awaited;
    /// `nil`, the default, is no limit.
    public var readIdleTimeout: Duration?
    /// How long the request waits in line for a connection; `nil`, the default, is
    /// `EngineTuning.Pool.acquireTimeout`.
    ///
    /// The time in which a connection is being made for the request does not count. When it runs
    /// out, the error is a `.timeout` in phase `.pool`.
    public var acquireTimeout: Duration?
    /// How long the request waits for a connection that is being made for it; `nil`, the default,
    /// is as long as the dial may take (`EngineTuning.Dial.connectTimeout`).
    ///
    /// It counts from the start of that dial. The dial may serve others too, so it keeps its own
    /// budgets: a longer time here does not lengthen them. When it runs out, the error is a
    /// `.timeout` in phase `.connect`.
    public var connectTimeout: Duration?
    /// Whether the request waits for the end of the pause that follows a failed dial
    /// (`EngineTuning.Pool.dialBackoff`), and for the next dial; off by default.
    ///
    /// Else a request that comes in that pause, while no connection of its route is open, fails at
    /// once with the error of the dial that failed.
    public var waitsOutBackoff = false
    /// Default `pooled`.
    public var reuse = Reuse.pooled
    public var versions: HTTPVersionPolicy?
    public var isolation: IsolationScope?
    /// `inherit`, the default, leaves the choice to the client.
    public var proxy = ProxySetting.inherit
    /// Where to connect instead of the origin's own address.
    public var connectTo: ConnectTarget?
    /// The protocol to switch to, as in "websocket", by `Connection: Upgrade` and `Upgrade` (RFC
    /// 9110, section 7.8); `nil`, the default, asks for none.
    ///
    /// Several may be named, separated by commas, best first. HTTP/1.1 is spoken, the request has
    /// no body, and an http proxy tunnels it. When the peer agrees (101) the response has a
    /// `duplex`; when it does not, it is a response like any other.
    public var upgrade: String?
    /// Hears of each informational (1xx) response as it comes, before the final one; `nil`, the
    /// default, hears of none.
    ///
    /// It is called on the connection's own thread, so it must return at once. At most
    /// `limits.informationalResponses` come; all stay in `Response.informational`.
    public var onInformational: (@Sendable (HTTPResponse) -> Void)?
    /// Sent as the `Priority` field (RFC 9218), unless the request has one of its own.
    ///
    /// `nil`, the default, says nothing.
    public var priority: RequestPriority?
    /// Lets a request go out whose method is CONNECT or TRACE; off by default.
    ///
    /// The one makes a tunnel of the connection, and the other has the peer send the fields back,
    /// credentials and all: neither is to happen because somebody else chose the method of a
    /// request that is passed on. The CONNECT that names a protocol (RFC 8441) says by itself what
    /// it wants, and needs no leave.
    public var allowsConnectAndTrace = false
    /// Permits sending again after an unclear failure, as an `Idempotency-Key` does.
    public var isIdempotent = false

    public init() {}
}
