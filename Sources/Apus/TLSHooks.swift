import ApusTransport

// What TLS asks of a program, and tells it.

extension PeerVerifier {
    /// Asks a function, which may take its time; it counts against `dial.tlsTimeout`.
    ///
    /// It runs on Swift's own pool, never on an engine's threads, and is cancelled when nobody
    /// wants its verdict any more.
    ///
    /// - Parameter check: looks at a chain that verification and pins have let pass.
    public convenience init(_ check: @escaping @Sendable (Peer) async -> Verdict) {
        self.init { peer, finish in
            let task = Task { finish(await check(peer)) }
            return { task.cancel() }
        }
    }
}

extension TLSKeyLog {
    /// Appends to a file, which is made if need be and which its owner alone may read.
    ///
    /// - Throws: `TransportError` when it cannot be opened.
    public convenience init(appendingTo path: String) throws(TransportError) {
        self.init(try KeyLogFile.open(path))
    }
}
