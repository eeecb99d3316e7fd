import ApusTransport

/// A connection that has left HTTP: bytes both ways, without meaning.
///
/// It is what a 101 that was asked for, or a 2xx to CONNECT, leaves behind (RFC 9110, sections 7.8
/// and 9.3.6). Bytes that came behind the answer are read first. The request's timeouts have ended
/// with the answer. Until it ends, the connection counts as carrying an exchange.
///
/// Letting go of the last reference closes it.
public final class Duplex: Sendable {
    private let stream: any DuplexStream

    init(_ stream: any DuplexStream) {
        self.stream = stream
    }

    deinit {
        stream.close()
    }

    /// The next piece, never empty; `nil` once the peer has ended its side in good order.
    ///
    /// Nothing is read before somebody asks, so a reader that stops, stops the peer. One task reads
    /// at a time. A read that was cancelled takes nothing, and the next goes on.
    ///
    /// - Throws: `TransportError`, after everything that was received before the failure;
    ///   `.truncated` when TLS ended without its close_notify.
    public func read() async throws(TransportError) -> Bytes? {
        try await stream.read()
    }

    /// Sends all of it, behind what was written before; returns when there is room for more.
    ///
    /// Several tasks may write; each call's bytes stay together. Of a write that was cancelled,
    /// either nothing is sent, or all of it, after the call has thrown: the stream has no gap.
    ///
    /// - Throws: `TransportError`, `.invalidRequest` behind `finish()`.
    public func write(_ bytes: Bytes) async throws(TransportError) {
        try await stream.write(bytes)
    }

    /// Ends our side behind what was written, by close_notify or FIN; reading goes on.
    ///
    /// Idempotent.
    public func finish() async throws(TransportError) {
        try await stream.finish()
    }

    /// Ends both sides at once: a read that waits throws `.cancelled`; idempotent.
    public func close() {
        stream.close()
    }
}
