import ApusConnection

/// A connection after a switch of protocols: raw bytes in both directions.
///
/// A requested 101 or a 2xx to CONNECT creates one (RFC 9110, sections 7.8 and 9.3.6). Bytes that
/// followed the response are read first. The request's timeouts ended with the response. Until it
/// ends, the connection counts as carrying an exchange.
///
/// Releasing the last reference closes it.
public final class Duplex: Sendable {
    private let stream: any DuplexStream

    init(_ stream: any DuplexStream) {
        self.stream = stream
    }

    deinit {
        stream.close()
    }

    /// The next piece, never empty; `nil` after the peer ended its side correctly.
    ///
    /// Bytes are read on demand only, so a reader that stops also stops the peer by flow control.
    /// One task reads at a time. A cancelled read consumes nothing, and the next read continues.
    ///
    /// - Throws: `TransportError`, after all bytes received before the failure; `.truncated` when
    ///   TLS ended without close_notify.
    public func read() async throws(TransportError) -> Bytes? {
        try await stream.read()
    }

    /// Sends all bytes, after those written before, and returns when there is room for more.
    ///
    /// Several tasks may write; the bytes of one call are sent together. A cancelled write sends
    /// either nothing or, after the call has thrown, everything: the stream never has a gap.
    ///
    /// - Throws: `TransportError`; of kind `.invalidRequest` after `finish()`.
    public func write(_ bytes: Bytes) async throws(TransportError) {
        try await stream.write(bytes)
    }

    /// Ends our side after the bytes written so far, by close_notify or FIN; reading continues.
    ///
    /// A second call does nothing.
    public func finish() async throws(TransportError) {
        try await stream.finish()
    }

    /// Ends both sides at once; a waiting read throws `.cancelled`, and a second call does nothing.
    public func close() {
        stream.close()
    }
}
