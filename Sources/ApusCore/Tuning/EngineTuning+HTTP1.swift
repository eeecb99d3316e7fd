// Settings of HTTP/1.1.
extension EngineTuning {
    /// Settings of HTTP/1.1.
    public struct HTTP1: Sendable, Hashable {
        /// How long a request with `Expect: 100-continue` waits before its body is sent anyway.
        ///
        /// Default 1 s.
        public var continueTimeout: Duration = .seconds(1)
        /// The time subtracted from a server's `Keep-Alive: timeout`, so that the engine closes
        /// first; at most a quarter of that timeout.
        ///
        /// Default 1 s.
        public var keepAliveMargin: Duration = .seconds(1)
        /// Whether a request on a connection that the peer has ended is held until TCP shows
        /// whether a byte of it had reached the peer.
        ///
        /// Default `true`. A request of which none did has the verdict `notReceived` and is sent
        /// again, a POST as well. The wait is over at the peer's reset or acknowledgement; it lasts
        /// two retransmission timeouts of the connection, and 2 s at most.
        public var detectsNonArrival = true
        /// Faults that are accepted from servers.
        ///
        /// Default: none.
        public var lenience = Lenience()

        /// Creates the default settings.
        public init() {}
    }

    /// Faults of servers that are accepted, each by its own switch, all off by default.
    ///
    /// There is no switch for the bytes that end a line, a head or a body: where two readers
    /// disagree on those, requests can be smuggled. For the same reason no switch applies to a
    /// field that frames a message, such as `Content-Length`, `Transfer-Encoding` or `Connection`.
    public struct Lenience: Sendable, Hashable {
        /// Accepts a field's value that continues on a line beginning with a blank (obs-fold); the
        /// fold becomes one blank (RFC 9112, section 5.2).
        public var foldedFields = false
        /// Accepts control bytes in a field's value except NUL, CR and LF; each becomes a blank
        /// (RFC 9110, section 5.5).
        public var controlsInValues = false

        /// Creates switches that are all off.
        public init() {}

        /// Whether every switch is off.
        package var isStrict: Bool { !foldedFields && !controlsInValues }
    }
}
