package import ApusCore

/// Bytes both ways, without meaning: what is left when a connection or a stream has left HTTP.
///
/// One task may read while others write; each method may be called from any thread.
package protocol DuplexStream: AnyObject, Sendable {
    /// The next piece, never empty; `nil` once the peer has ended its side.
    func read() async throws(TransportError) -> Bytes?
    /// Sends all of it, after what was written before; returns when there is room for more.
    func write(_ bytes: Bytes) async throws(TransportError)
    /// Ends our side after what was written; reading goes on.
    func finish() async throws(TransportError)
    /// Ends both sides at once; idempotent.
    func close()
}
