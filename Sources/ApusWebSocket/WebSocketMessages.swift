/// The messages of a web socket, in order, until its end.
///
/// Reading is pull-based: a reader that stops also stops the peer. All iterators read the same
/// messages, each message once; one task reads at a time.
public struct WebSocketMessages: AsyncSequence, Sendable {
    /// A message.
    public typealias Element = WebSocketMessage
    /// The error that reading throws.
    public typealias Failure = WebSocketError

    private let socket: WebSocket

    init(_ socket: WebSocket) {
        self.socket = socket
    }

    /// Returns an iterator, which keeps the web socket open as long as it exists.
    public func makeAsyncIterator() -> Iterator {
        Iterator(socket: socket)
    }

    /// An iterator over the messages of a web socket.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        fileprivate let socket: WebSocket

        /// The next message; `nil` after a closing handshake as planned.
        ///
        /// - Throws: `WebSocketError`, as `WebSocket.receive()`.
        public func next() async throws(WebSocketError) -> WebSocketMessage? {
            try await socket.receive()
        }

        /// As `next()`, from the isolation of the caller.
        public func next(isolation actor: isolated (any Actor)?) async throws(WebSocketError)
            -> WebSocketMessage?
        {
            try await socket.receive()
        }
    }
}
