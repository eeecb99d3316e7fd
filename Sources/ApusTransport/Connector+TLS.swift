import ApusCore
import ApusSocket
import ApusTLS

// TLS on top of what is there.
extension Connector {
    /// One TLS handshake on top of what is there.
    func secure(
        _ wire: Wire, to name: String, _ settings: EngineTuning.TLS, alpn: [String],
        at place: TLSHop
    ) async throws(TransportError) -> TLSFacts {
        let hop: TransportError.Hop = if case .origin = place { .origin } else { .proxy }
        let limit = deadline(dialer.tuning.dial.tlsTimeout)
        let context = try await context(settings, alpn, until: limit, hop)
        do throws(WireError) {
            let engine = try makeEngine(name, context, settings, place)
            try measured { () throws(WireError) in
                try wire.startHandshake(engine, with: place, of: route)
            }
            while true {
                if let peer = engine.peerToJudge {
                    try await askVerifier(about: peer, for: engine, settings, until: limit, hop)
                    if try measured({ () throws(WireError) in try wire.resumeHandshake(engine) }) {
                        break
                    }
                } else if wire.mayHaveInput {
                    if try measured({ () throws(WireError) in try wire.advanceHandshake(engine) }) {
                        break
                    }
                } else {
                    try await waitInHandshake(until: limit, hop)
                }
            }
            guard let facts = engine.facts else { throw .endInHandshake }
            return facts
        } catch {
            if let pending = takePendingFailure() { throw pending }
            let (kind, message) = error.explained
            // Whatever ends a handshake early, it is the handshake that failed.
            let isEarlyEnd = kind == .truncated || kind == .reset
            var failure = failure(isEarlyEnd ? .tlsHandshake : kind, .tls, message, hop: hop)
            if case .tls(let error) = error { failure.certificateRefusal = error.refusal }
            throw failure
        }
    }

    /// Runs one step of a handshake and counts what it took of the loop's thread.
    private func measured<Result>(
        _ step: () throws(WireError) -> Result
    ) throws(WireError) -> Result {
        let began = ThreadTime.spent()
        defer {
            let duration = ThreadTime.spent() - began
            if dialer.handshakes.took(duration) {
                tell { .handshakeStepWasSlow(connection: $0, step: duration) }
            }
        }
        return try step()
    }

    /// Waits for the verifier's verdict, within the handshake's own budget.
    private func askVerifier(
        about peer: PeerVerifier.Peer, for engine: TLSEngine, _ settings: EngineTuning.TLS,
        until limit: Deadline?, _ hop: TransportError.Hop
    ) async throws(WireError) {
        guard let verifier = settings.verifier else { return engine.verdictGiven(.accept) }
        let arrival = Arrival<PeerVerifier.Verdict>()
        let stop = verifier.judge(peer) { [suspension, loop] verdict in
            loop.execute {
                if arrival.value == nil { arrival.value = verdict }
                suspension.signal()
            }
        }
        // Whatever ends the wait, a verdict that is still to come is not wanted.
        defer { stop() }
        while arrival.value == nil {
            try await waitInHandshake(until: limit, hop)
        }
        if let verdict = arrival.value { engine.verdictGiven(verdict) }
    }

    /// The context for the handshake; making one takes long, so it is not done on the loop.
    func context(
        _ settings: EngineTuning.TLS, _ alpn: [String], until limit: Deadline?,
        _ hop: TransportError.Hop
    ) async throws(TransportError) -> TLSContext {
        if let made = dialer.contexts.made(settings, alpn: alpn) { return made }
        let arrival = Arrival<TLSContextCache.Made>()
        dialer.contexts.make(settings, alpn: alpn) { [suspension, loop] made in
            loop.execute {
                arrival.value = made
                suspension.signal()
            }
        }
        while true {
            switch arrival.value {
            case .success(let context): return context
            case .failure(let error):
                throw failure(TransportError.Kind(error), .tls, error.message, hop: hop)
            case nil:
                try await wait(.tls, until: limit, "the TLS settings took too long to load", hop)
            }
        }
    }

    func makeEngine(
        _ name: String, _ context: TLSContext, _ settings: EngineTuning.TLS, _ place: TLSHop
    ) throws(WireError) -> TLSEngine {
        do throws(TLSError) {
            let session =
                settings.resumption ? dialer.sessions.take(for: place, under: context) : nil
            return try TLSEngine(context, serverName: name, session: session)
        } catch {
            throw .tls(error)
        }
    }

    func waitInHandshake(
        until limit: Deadline?, _ hop: TransportError.Hop
    ) async throws(WireError) {
        do throws(TransportError) {
            try await wait(.tls, until: limit, "the TLS handshake took too long", hop)
        } catch {
            pendingFailure = error
            throw .endInHandshake
        }
    }

    func takePendingFailure() -> TransportError? {
        defer { pendingFailure = nil }
        return pendingFailure
    }
}
