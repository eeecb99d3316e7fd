// What is particular to HTTP/1.1.
extension EngineTuning {
    /// HTTP/1.1.
    public struct HTTP1: Sendable, Hashable {
        /// How long `Expect: 100-continue` waits before the body is sent all the same.
        ///
        /// Default 1 s.
        public var continueTimeout: Duration = .seconds(1)
        /// Taken off a server's `Keep-Alive: timeout`, so that we close first; a quarter of that
        /// time at most.
        ///
        /// Default 1 s.
        public var keepAliveMargin: Duration = .seconds(1)
        /// What is taken from servers that cannot do better.
        ///
        /// Default: nothing.
        public var lenience = Lenience()

        public init() {}
    }

    /// Faults of servers that are let pass, each by its own switch, off by default.
    ///
    /// There is no switch for what tells where a line, a head or a body ends: two readers that
    /// differ there are how requests are smuggled. Nor does any of these apply to a field that has
    /// a part in that, such as `Content-Length`, `Transfer-Encoding` or `Connection`.
    public struct Lenience: Sendable, Hashable {
        /// A field's value that goes on in a line which begins with a blank (obs-fold); the fold
        /// becomes one blank (RFC 9112, section 5.2).
        public var foldedFields = false
        /// Control bytes in a field's value, but NUL, CR and LF; each becomes a blank (RFC 9110,
        /// section 5.5).
        public var controlsInValues = false

        public init() {}

        /// Whether nothing is let pass.
        package var isStrict: Bool { !foldedFields && !controlsInValues }
    }
}
