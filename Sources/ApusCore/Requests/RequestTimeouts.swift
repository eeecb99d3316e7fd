/// The time limits of a client's requests, one for each wait; a request's own options come first.
///
/// Each is `nil` by default, which leaves the choice to the transport.
public struct RequestTimeouts: Sendable, Hashable {
    /// As `RequestOptions.acquireTimeout`.
    public var acquire: Duration?
    /// As `RequestOptions.connectTimeout`.
    public var connect: Duration?
    /// As `RequestOptions.writeIdleTimeout`.
    public var writeIdle: Duration?
    /// As `RequestOptions.headTimeout`.
    public var head: Duration?
    /// As `RequestOptions.responseTimeout`.
    public var response: Duration?
    /// As `RequestOptions.firstByteTimeout`.
    public var firstByte: Duration?
    /// As `RequestOptions.readIdleTimeout`.
    public var readIdle: Duration?
    /// As `RequestOptions.stallNotice`.
    public var stallNotice: Duration?

    /// Creates limits that leave every choice open.
    public init() {}
}

extension RequestOptions {
    /// Sets each limit that is open to a client's.
    package mutating func fill(from timeouts: RequestTimeouts) {
        acquireTimeout = acquireTimeout ?? timeouts.acquire
        connectTimeout = connectTimeout ?? timeouts.connect
        writeIdleTimeout = writeIdleTimeout ?? timeouts.writeIdle
        headTimeout = headTimeout ?? timeouts.head
        responseTimeout = responseTimeout ?? timeouts.response
        firstByteTimeout = firstByteTimeout ?? timeouts.firstByte
        readIdleTimeout = readIdleTimeout ?? timeouts.readIdle
        stallNotice = stallNotice ?? timeouts.stallNotice
    }
}
