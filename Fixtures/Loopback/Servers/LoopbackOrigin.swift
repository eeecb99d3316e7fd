import Synchronization

/// Whether connections read; set by tests, read by threads.
final class ReadingGate: Sendable {
    private let state = Atomic(false)

    var isShut: Bool {
        get { state.load(ordering: .sequentiallyConsistent) }
        set { state.store(newValue, ordering: .sequentiallyConsistent) }
    }
}

/// The state shared by the threads of one origin.
final class LoopbackOrigin: Sendable {
    let options: LoopbackServer.Options
    let totals = Totals()
    let gate = ReadingGate()
    let records = Guarded<[Int: ConnectionRecord]>([:])
    private let acceptor: Guarded<TLSAcceptor?>

    init(_ options: LoopbackServer.Options) throws {
        self.options = options
        acceptor = Guarded(try LoopbackOrigin.makeAcceptor(options))
    }

    func renewAcceptor() throws {
        let fresh = try LoopbackOrigin.makeAcceptor(options)
        acceptor.withLock { $0 = fresh }
    }

    private static func makeAcceptor(_ options: LoopbackServer.Options) throws -> TLSAcceptor? {
        guard let certificate = options.tls else { return nil }
        return try TLSAcceptor(
            TLSAcceptor.Settings(
                certificate: certificate, protocols: options.alpn, clientCA: options.clientCA,
                requiresClientCertificate: options.requiresClientCertificate,
                minimumVersion: options.tlsMinimumVersion,
                maximumVersion: options.tlsMaximumVersion, issuesTickets: options.issuesTickets))
    }

    /// Serves one connection to its end, on the calling thread.
    func serve(_ descriptor: Int32, _ index: Int) {
        let record = ConnectionRecord(id: index, totals: totals)
        records.withLock { $0[index] = record }
        totals.connectionOpened()
        defer {
            totals.connectionClosed()
            records.withLock { $0[index] = nil }
        }
        if let timeout = options.idleTimeout { Socket.setReceiveTimeout(descriptor, timeout) }
        let channel = Channel(descriptor: descriptor, meter: record)
        var isHTTP2 = false
        if let acceptor = acceptor.withLock({ $0 }) {
            guard channel.acceptTLS(acceptor), let tls = channel.tls else { return }
            totals.handshakeFinished(resumed: tls.isResumed)
            isHTTP2 = tls.applicationProtocol == "h2"
        } else if options.http2PriorKnowledge {
            guard let found = beginsWithPreface(channel, record) else { return }
            isHTTP2 = found
        }
        if isHTTP2 {
            HTTP2Connection(channel: channel, record: record, options: options, gate: gate).serve()
        } else {
            HTTP1Connection(channel: channel, record: record, options: options).serve()
        }
    }

    /// Whether the peer begins with HTTP/2's preface (RFC 9113, section 3.4); `nil` when it has
    /// closed.
    private func beginsWithPreface(_ channel: Channel, _ record: ConnectionRecord) -> Bool? {
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        while true {
            let count = min(channel.input.count, preface.count)
            guard channel.input.readable[..<count].elementsEqual(preface[..<count]) else {
                return false
            }
            if count == preface.count { return true }
            record.isIdle = channel.input.isEmpty
            defer { record.isIdle = false }
            guard channel.fill(waiting: true) == .bytes else { return nil }
        }
    }
}
