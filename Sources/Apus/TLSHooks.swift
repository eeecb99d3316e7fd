import ApusConnection
import ApusEngine

// TLS callbacks of a program.

extension PeerVerifier {
    /// Creates a verifier from an asynchronous function, whose time counts toward
    /// `dial.tlsTimeout`.
    ///
    /// The function runs on Swift's own pool, never on an engine's threads, and is cancelled when
    /// its verdict is not needed any more.
    ///
    /// - Parameter check: checks a chain that verification and pins accepted.
    public convenience init(_ check: @escaping @Sendable (Peer) async -> Verdict) {
        self.init { peer, finish in
            let task = Task { finish(await check(peer)) }
            return { task.cancel() }
        }
    }
}

extension TLSKeyLog {
    /// Creates a log that appends to a file, which is created if needed and readable by its owner
    /// only.
    ///
    /// - Throws: `TransportError` when the file cannot be opened.
    public convenience init(appendingTo path: String) throws(TransportError) {
        self.init(try KeyLogFile.open(path))
    }
}
