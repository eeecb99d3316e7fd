#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The origin that tests, the demonstration and `apus serve` talk to, on a loopback address.
///
/// It shares no code with the engine: blocking sockets and a thread per connection, so that a
/// mistake of the engine is not repeated here. `Routes` lists what it serves.
package final class LoopbackServer: Sendable {
    package struct Options: Sendable {
        /// Serve TLS with this certificate; `nil` serves cleartext.
        package var tls: CertificateFiles?
        /// Protocols in order of preference; empty gives no ALPN answer.
        package var alpn = ["h2", "http/1.1"]
        /// Request client certificates that this authority (a PEM file) has signed.
        package var clientCA: String?
        /// Whether a handshake without one fails.
        package var requiresClientCertificate = true
        package var tlsMinimumVersion = LoopbackTLSVersion.tls12
        package var tlsMaximumVersion = LoopbackTLSVersion.tls13
        /// Whether sessions can be resumed at all.
        package var issuesTickets = true
        /// On cleartext, use HTTP/2 with clients that begin with its preface.
        package var http2PriorKnowledge = false
        package var maxConcurrentStreams = 100
        /// HTTP/2: the receive window of a stream, in bytes.
        package var initialStreamWindow = 1 << 20
        /// HTTP/2: the receive window of a connection, in bytes.
        package var connectionWindow = 16 << 20
        /// HTTP/2: the maximum frame size that a client may send.
        package var maxFrameSize = 16_384
        /// End connections that were idle for so long.
        package var idleTimeout: Duration?
        /// The value of a `Keep-Alive` field on HTTP/1 responses, as in `timeout=5`.
        package var keepAliveHeader: String?
        /// End a connection after so many requests (`Connection: close`, GOAWAY).
        package var maxRequestsPerConnection: Int?
        /// Count concurrent connections at each accept; see `peakEstablished`.
        package var watchesEstablished = false
        /// 0 lets the system choose.
        package var port: UInt16 = 0
        /// Listen on ::1 instead of 127.0.0.1.
        package var ipv6 = false

        package init() {}

        package init(tls: CertificateFiles?) {
            self.tls = tls
        }
    }

    /// The port it listens on.
    package let port: UInt16
    private let listener: Listener
    private let origin: LoopbackOrigin

    package init(_ options: Options = .init()) throws {
        origin = try LoopbackOrigin(options)
        listener = try Listener(name: "origin", port: options.port, ipv6: options.ipv6)
        port = listener.port
        if options.watchesEstablished { listener.watchEstablished() }
        try listener.start { [origin] descriptor, index in
            origin.serve(descriptor, index)
        }
    }

    deinit {
        stop()
    }

    package var counters: LoopbackCounters { origin.totals.snapshot }

    /// The connections that are open now, oldest first.
    package var connections: [LoopbackConnection] {
        origin.records.withLock { $0.values.map(\.snapshot) }.sorted { $0.id < $1.id }
    }

    /// The maximum of concurrent connections that their peers had not ended, by the kernel's state;
    /// 0 unless `watchesEstablished`.
    ///
    /// `counters.peakConnections` also counts those whose end was not noticed yet.
    package var peakEstablished: Int { listener.peakEstablished }

    /// Stops reading on HTTP/2 connections until `goOnReading`; each notices it a little later.
    package func stopReading() {
        origin.gate.isShut = true
    }

    package func goOnReading() {
        origin.gate.isShut = false
    }

    package func resetCounters() {
        origin.totals.reset()
    }

    /// Ends every connection without a request in progress.
    package func closeIdleConnections() {
        let idle = origin.records.withLock { $0.values.filter(\.isIdle).map(\.id) }
        // Its thread reads the end and closes.
        for id in idle { listener.shutDown(connection: id, how: Int32(SHUT_RD)) }
    }

    /// Forgets every TLS session: later handshakes are full ones.
    package func forgetSessions() throws {
        try origin.renewAcceptor()
    }

    /// Closes everything and joins every thread; a second call does nothing.
    package func stop() {
        listener.stop()
    }
}
