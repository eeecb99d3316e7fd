package import ApusCore
package import ApusTLS

/// Drives one TLS handshake over a wire, until its engine is the wire's topmost layer.
///
/// Confined to its wire's loop.
package struct TLSHandshake {
    /// How a handshake goes on.
    package enum Progress {
        /// The engine is a layer of the wire.
        case complete(TLSFacts)
        /// The peer's certificate is to be judged: `verdictGiven`, then `advance`.
        case needsVerdict(PeerVerifier.Peer)
        /// More bytes of the peer: `advance`, once the wire may have some.
        case needsBytes
    }

    private enum State {
        /// Nothing was sent.
        ///
        /// Exits: `.running`, `.judging`.
        case idle
        /// The peer's bytes are read.
        ///
        /// Exits: `.judging`; ends when complete.
        case running
        /// The peer's certificate is to be judged, while nothing is read.
        ///
        /// Exits: `.running`; ends when complete.
        case judging
    }

    private let engine: TLSEngine
    private let wire: Wire
    private var state = State.idle
    /// Whether the peer has sent anything.
    package private(set) var hasHeard = false

    /// - Parameter keep: gets each session that the peer gives, in `Wire.keepSessions`.
    package init(
        _ engine: TLSEngine, over wire: Wire, keep: @escaping (TLSSession) -> Void
    ) {
        self.engine = engine
        self.wire = wire
        wire.handshakeStarted(engine, keep: keep)
    }

    /// The peer was judged; the next `advance` goes on, or throws.
    package func verdictGiven(_ verdict: PeerVerifier.Verdict) {
        engine.verdictGiven(verdict)
    }

    /// Takes one step: sends the ClientHello, goes on after a verdict, or reads once.
    package mutating func advance() throws(WireError) -> Progress {
        let isComplete =
            switch state {
            case .idle, .judging: try step()
            case .running: try readOnce()
            }
        if isComplete {
            try wire.add(.tls(engine))
            guard let facts = engine.facts else { throw .endInHandshake }
            return .complete(facts)
        }
        if let peer = engine.peerToJudge {
            state = .judging
            return .needsVerdict(peer)
        }
        state = .running
        return .needsBytes
    }

    /// Goes on without new bytes of the peer.
    private func step() throws(WireError) -> Bool {
        var output: [UInt8] = []
        defer { send(output) }
        do throws(TLSError) {
            return try engine.handshake(RawSpan(), output: &output) == .complete
        } catch {
            throw .tls(error)
        }
    }

    private mutating func readOnce() throws(WireError) -> Bool {
        guard wire.mayHaveInput else { return false }
        var output: [UInt8] = []
        var failure: TLSError?
        var isComplete = false
        var isHeard = false
        defer { if isHeard { hasHeard = true } }
        let outcome = try wire.read { bytes, _ in
            isHeard = true
            guard failure == nil else { return }
            do throws(TLSError) {
                if isComplete {
                    _ = try engine.receive(bytes, output: &output) { plaintext in
                        plaintext.withSpan { wire.putBack($0) }
                    }
                } else {
                    isComplete = try engine.handshake(bytes, output: &output) == .complete
                }
            } catch {
                failure = error
            }
        }
        send(output)
        if let failure { throw .tls(failure) }
        if outcome == .end, !isComplete { throw .endInHandshake }
        return isComplete
    }

    /// An alert goes out too.
    private func send(_ output: [UInt8]) {
        if !output.isEmpty { wire.send(unsafe output.span.bytes) }
    }
}
