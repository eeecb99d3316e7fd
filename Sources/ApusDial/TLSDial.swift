import ApusConnection
import ApusCore
import ApusSocket
import ApusTLS
import ApusWire

/// TLS on top of what is there, with the origin or with a proxy.
///
/// Confined to the dial's loop.
final class TLSDial {
    private let dial: DialContext

    init(_ dial: DialContext) {
        self.dial = dial
    }

    private var route: Route { dial.route }
    private var dialer: Dialer { dial.dialer }

    /// One TLS handshake on top of what is there.
    func secure(
        _ wire: Wire, to name: String, _ settings: EngineTuning.TLS, alpn: [String],
        at place: TLSHop
    ) async throws(TransportError) -> TLSFacts {
        let hop = hop(of: place)
        let limit = dial.deadline(dialer.tuning.dial.tlsTimeout)
        let context = try await context(settings, alpn, until: limit, hop)
        var handshake = try handshake(over: wire, name, context, settings, place)
        let began = Deadline.now()
        while true {
            switch try advance(&handshake, place, since: began) {
            case .complete(let facts): return facts
            case .needsVerdict(let peer):
                handshake.verdictGiven(try await verdict(on: peer, settings, until: limit, hop))
            case .needsBytes where wire.mayHaveInput: continue
            case .needsBytes:
                try await dial.wait(.tls, until: limit, late("the TLS handshake did not end"), hop)
            }
        }
    }

    private func handshake(
        over wire: Wire, _ name: String, _ context: TLSContext, _ settings: EngineTuning.TLS,
        _ place: TLSHop
    ) throws(TransportError) -> TLSHandshake {
        let (sessions, route) = (dialer.sessions, route)
        do throws(TLSError) {
            let session = settings.resumption ? sessions.take(for: place, under: context) : nil
            let engine = try TLSEngine(context, serverName: name, session: session)
            return TLSHandshake(engine, over: wire) { sessions.add($0, for: place, from: route) }
        } catch {
            throw failure(.tls(error), hop(of: place))
        }
    }

    /// The proxy in front of a hop; `nil` where the hop is reached directly.
    private func proxy(before place: TLSHop) -> ProxyEndpoint? {
        switch place {
        case .origin(let route): route.proxies.last
        case .proxy(let path): path.proxies.dropLast().last
        }
    }

    /// Takes one step of a handshake.
    private func advance(
        _ handshake: inout TLSHandshake, _ place: TLSHop, since began: Deadline
    ) throws(TransportError) -> TLSHandshake.Progress {
        do throws(WireError) {
            return try measured { () throws(WireError) in try handshake.advance() }
        } catch {
            guard !handshake.hasHeard, isEnd(error), let proxy = proxy(before: place) else {
                throw failure(error, hop(of: place))
            }
            // It may open a tunnel before it has dialled, and close it when that fails.
            let time = Deadline.now().since(began).words
            dial.note { $0.tunnelEnded() }
            throw dial.failure(
                .proxyFailed, .proxy,
                "the proxy \(proxy) opened the tunnel and ended it \(time) later, before any byte "
                    + "came through it: \(error.explained.message)", hop: .proxy)
        }
    }

    /// Whether the bytes ended, as opposed to what they said.
    private func isEnd(_ error: WireError) -> Bool {
        if case .endInHandshake = error { return true }
        return [.truncated, .reset].contains(error.explained.kind)
    }

    private func hop(of place: TLSHop) -> TransportError.Hop {
        if case .origin = place { .origin } else { .proxy }
    }

    /// Whatever ends a handshake early, it is the handshake that failed.
    private func failure(_ error: WireError, _ hop: TransportError.Hop) -> TransportError {
        let (kind, message) = error.explained
        let isEarlyEnd = kind == .truncated || kind == .reset
        var failure = dial.failure(isEarlyEnd ? .tlsHandshake : kind, .tls, message, hop: hop)
        if case .tls(let error) = error { failure.certificateRefusal = error.refusal }
        return failure
    }

    /// Runs one step of a handshake and counts what it took of the loop's thread.
    private func measured<Result>(
        _ step: () throws(WireError) -> Result
    ) throws(WireError) -> Result {
        let began = ThreadTime.spent()
        defer {
            let duration = ThreadTime.spent() - began
            if dialer.handshakes.took(duration) {
                dial.report { .handshakeStepWasSlow(connection: $0, step: duration) }
            }
        }
        return try step()
    }

    private func late(_ what: String) -> String {
        dial.late(what, dialer.tuning.dial.tlsTimeout, "dial.tlsTimeout")
    }

    /// Waits for the verifier's verdict, within the handshake's own budget.
    private func verdict(
        on peer: PeerVerifier.Peer, _ settings: EngineTuning.TLS, until limit: Deadline?,
        _ hop: TransportError.Hop
    ) async throws(TransportError) -> PeerVerifier.Verdict {
        guard let verifier = settings.verifier else { return .accept }
        return try await dial.own { () async throws(TransportError) in
            try await dial.value(
                .tls, until: limit, late("tls.verifier gave no verdict"), hop
            ) { verifier.judge(peer, $0) }
        }
    }

    /// The context for the handshake; making one takes long, so it is not done on the loop.
    private func context(
        _ settings: EngineTuning.TLS, _ alpn: [String], until limit: Deadline?,
        _ hop: TransportError.Hop
    ) async throws(TransportError) -> TLSContext {
        let contexts = dialer.contexts
        if let made = contexts.made(settings, alpn: alpn) { return made }
        return try await dial.own { () async throws(TransportError) in
            let made: TLSContextCache.Made = try await dial.value(
                .tls, until: limit, late("the TLS settings were not loaded"), hop
            ) { give in
                contexts.make(settings, alpn: alpn, then: give)
                return {}
            }
            switch made {
            case .success(let context): return context
            case .failure(let error):
                throw dial.failure(TransportError.Kind(error), .tls, error.message, hop: hop)
            }
        }
    }
}
