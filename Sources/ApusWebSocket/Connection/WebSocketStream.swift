package import Apus

/// The bytes below a web socket: a raw duplex, or a stand-in for one in a test.
package protocol WebSocketStream: Sendable {
    /// The next piece; `nil` after the peer ended its side.
    func read() async throws(TransportError) -> Bytes?
    /// Sends all bytes, in the order of the calls; when cancelled, all or nothing.
    func write(_ bytes: Bytes) async throws(TransportError)
    /// Ends our side.
    func finish() async throws(TransportError)
    /// Ends both sides at once.
    func close()
}

extension Duplex: WebSocketStream {}
