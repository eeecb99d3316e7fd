import Glibc

/// The origin that tests, the demonstration and `apus serve` talk to, on a loopback address.
///
/// It shares no code with the engine: blocking sockets and a thread per connection, so that a
/// mistake of the engine does not meet its own twin here. `Routes` lists what it serves.
package final class LoopbackServer: Sendable {
    package struct Options: Sendable {
        /// Serve TLS with this certificate; `nil` serves cleartext.
        package var tls: CertificateFiles?
        /// Protocols in order of preference; empty gives no ALPN answer.
        package var alpn = ["h2", "http/1.1"]
        /// Ask for client certificates that this authority (a PEM file) has signed.
        package var clientCA: String?
        /// Whether a handshake without one fails.
        package var requiresClientCertificate = true
        package var tlsMinimumVersion = LoopbackTLSVersion.tls12
        package var tlsMaximumVersion = LoopbackTLSVersion.tls13
        /// Whether sessions can be resumed at all.
        package var issuesTickets = true
        /// On cleartext, speak HTTP/2 with whoever begins with its preface.
        package var http2PriorKnowledge = false
        package var maxConcurrentStreams = 100
        /// HTTP/2: how much a stream may upload ahead.
        package var initialStreamWindow = 1 << 20
        /// HTTP/2: the most that a client may send in one frame.
        package var maxFrameSize = 16_384
        /// End connections on which nothing happens for so long.
        package var idleTimeout: Duration?
        /// The value of a `Keep-Alive` field on HTTP/1 responses, as in `timeout=5`.
        package var keepAliveHeader: String?
        /// End a connection after so many requests (`Connection: close`, GOAWAY).
        package var maxRequestsPerConnection: Int?
        /// Count at each accept how many connections there are at once; see `peakEstablished`.
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

    /// The most connections at once that their peer had not ended, by the kernel's own account; 0
    /// unless `watchesEstablished`.
    ///
    /// `counters.peakConnections` also counts those whose end a thread has yet to notice.
    package var peakEstablished: Int { listener.peakEstablished }

    /// Has HTTP/2 connections read nothing more until `goOnReading`; each notices a little later.
    package func stopReading() {
        origin.gate.isShut = true
    }

    package func goOnReading() {
        origin.gate.isShut = false
    }

    package func resetCounters() {
        origin.totals.reset()
    }

    /// Ends, in order, every connection on which no request is under way.
    package func closeIdleConnections() {
        let idle = origin.records.withLock { $0.values.filter(\.isIdle).map(\.id) }
        // Its thread reads an end, and closes.
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
