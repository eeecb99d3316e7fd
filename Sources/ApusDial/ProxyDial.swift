import ApusConnection
import ApusCore
import ApusHTTP2
import ApusSocket
import ApusTLS
import ApusTunnel
import ApusWire
import HTTPTypes

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The way through the proxies of a route.
///
/// Confined to the dial's loop.
final class ProxyDial {
    private let dial: DialContext
    private let socket: SocketDial
    private let tls: TLSDial
    /// How the proxies' 407s were answered.
    private var logins = ProxyLogins()
    /// What `socks5` proxies are asked for.
    private var socksAddresses = SOCKSAddresses()

    init(_ dial: DialContext, _ socket: SocketDial, _ tls: TLSDial) {
        self.dial = dial
        self.socket = socket
        self.tls = tls
    }

    private var route: Route { dial.route }
    private var dialer: Dialer { dial.dialer }

    /// Whether another connection is wanted, said once: for a proxy that asked for credentials and
    /// closed, or to ask one that could not reach an address for the next.
    func takeRedial() -> Bool {
        let isAsked = logins.takeRedial()
        return socksAddresses.takeRedial() || isAsked
    }

    /// Gets through the proxy at `index`: TLS to it where it wants that, then a tunnel to the next
    /// proxy or to the origin, unless it is the last and forwards.
    func pass(_ index: Int, over wire: Wire) async throws(TransportError) {
        let proxy = route.proxies[index]
        let forwards = index == route.proxies.count - 1 && route.isForwarded
        let began = Deadline.now()
        var speaksHTTP2 = false
        if proxy.kind == .https {
            dial.note { $0.securing() }
            let mayChoose =
                !forwards && proxy.options.allowsHTTP2 && !logins.demandsHTTP1(at: index)
            speaksHTTP2 = try await secure(wire, toProxy: index, mayChooseHTTP2: mayChoose)
        }
        guard !forwards else { return dial.note { $0.passed(.forwards) } }
        dial.note { $0.asking() }
        var handshake = try await handshake(through: index, speaksHTTP2: speaksHTTP2)
        let limit = dial.deadline(dialer.tuning.dial.proxyTimeout)
        while true {
            do throws(TransportError) {
                try await tunnel(&handshake, through: index, over: wire, until: limit)
                break
            } catch {
                socksAddresses.refused(at: index, error.socksCause)
                guard let asked = error.proxyAnswer, logins.answer(at: index) == nil,
                    let answer = try await answer(to: asked, of: proxy, index, until: limit)
                else { throw error }
                dial.report { .proxyChallenged(connection: $0, proxy: proxy.description) }
                logins.keep(answer, at: index, isClosed: !handshake.mayAskAgain)
                guard handshake.mayAskAgain else { throw error }
                handshake.askAgain(with: fields(for: proxy, at: index))
            }
        }
        if case .http2Connect(let handshake) = handshake {
            do throws(WireError) {
                try wire.add(.tunnel(HTTP2Tunnel(handshake)))
            } catch {
                throw failure(error, at: index)
            }
        }
        dial.note { $0.passed(.opened(Deadline.now().since(began))) }
        dial.report { .tunnelled(connection: $0, proxy: proxy.description) }
    }

    /// What asks the proxy at `index` for a tunnel to the next one, or to the origin.
    private func handshake(
        through index: Int, speaksHTTP2: Bool
    ) async throws(TransportError) -> TunnelHandshake {
        let (proxy, tuning) = (route.proxies[index], dialer.tuning)
        let target = route.target(after: index)
        let socksTarget = proxy.kind.speaksHTTP ? nil : try await socksTarget(target, at: index)
        do throws(TunnelError) {
            switch (proxy.kind, socksTarget) {
            case (.socks4a, let target?):
                return try .socks4a(to: target, credentials: proxy.credentials)
            case (_, let target?):
                return try .socks5(to: target, credentials: proxy.credentials)
            case (_, nil) where speaksHTTP2:
                return try .http2Connect(
                    to: target.authority, fields: fields(for: proxy, at: index), tuning.http2,
                    limits: tuning.limits)
            case (_, nil):
                return .connect(
                    to: target.authority, fields: fields(for: proxy, at: index),
                    limits: tuning.limits)
            }
        } catch {
            throw failure(error, at: index)
        }
    }

    /// TLS to an https proxy, by its own settings and held against its own name.
    ///
    /// - Returns: whether it chose HTTP/2.
    private func secure(
        _ wire: Wire, toProxy index: Int, mayChooseHTTP2: Bool
    ) async throws(TransportError) -> Bool {
        let proxy = route.proxies[index]
        let offer = mayChooseHTTP2 ? ["h2", "http/1.1"] : ["http/1.1"]
        let settings = proxy.tls(in: route.tls)
        let name = settings.serverName ?? proxy.host
        let facts = try await tls.secure(
            wire, to: name, settings, alpn: offer,
            at: TLSHop(proxyAt: index, of: route, offering: offer))
        dial.report {
            .proxySecured(
                connection: $0, proxy: proxy.description, tls: ConnectionFacts.TLSFacts(facts))
        }
        return facts.alpn == "h2"
    }

    /// What goes to the proxy with a CONNECT: its own fields, and credentials as far as it has
    /// asked.
    private func fields(for proxy: ProxyEndpoint, at index: Int) -> HTTPFields {
        proxy.fields(authorization: logins.answer(at: index))
    }

    /// Plays a handshake to its end.
    private func tunnel(
        _ handshake: inout TunnelHandshake, through index: Int, over wire: Wire,
        until limit: Deadline?
    ) async throws(TransportError) {
        var output: [UInt8] = []
        do throws(TunnelError) {
            try handshake.start(output: &output)
        } catch {
            throw failure(error, at: index)
        }
        wire.send(unsafe output.span.bytes)
        while true {
            output.removeAll()
            var progress = TunnelProgress.needsBytes
            var refusal: TunnelError?
            let outcome: Wire.ReadOutcome
            handshake.timePassed(now: .now())
            do throws(WireError) {
                outcome = try wire.read { bytes, _ in
                    var offset = 0
                    do throws(TunnelError) {
                        guard refusal == nil,
                            progress == .needsBytes || handshake.takesBytesOfTunnel
                        else { return wire.putBack(bytes) }
                        progress = try handshake.bytesReceived(
                            bytes, offset: &offset, output: &output)
                        if progress == .established, offset < bytes.byteCount {
                            wire.putBack(bytes.extracting(droppingFirst: offset))
                        }
                    } catch {
                        refusal = error
                    }
                }
            } catch {
                // A refusal that came before the reset still says more than the reset.
                if case .refused(let answer) = handshake.streamEnded() {
                    throw failure(TunnelError.refused(answer), at: index)
                }
                throw failure(error, at: index)
            }
            if !output.isEmpty { wire.send(unsafe output.span.bytes) }
            if let refusal {
                // The next connection offers nothing else (RFC 9113, section 7).
                if refusal == .streamReset(code: HTTP2ErrorCode.http11Required) {
                    logins.demandHTTP1(at: index)
                }
                throw failure(refusal, at: index)
            }
            if progress == .established { return }
            switch outcome {
            case .progress: continue
            case .end: throw failure(handshake.streamEnded(), at: index)
            case .wouldBlock:
                try await dial.wait(
                    .proxy, until: limit, mark(index) + late("the proxy did not answer"), .proxy)
            }
        }
    }

    /// SOCKS takes an address when names are resolved here, else the name itself.
    private func socksTarget(
        _ target: TunnelTarget, at index: Int
    ) async throws(TransportError) -> SOCKSTarget {
        if let current = socksAddresses.current(at: index) { return current }
        let literal = SocketAddress(literal: target.host, port: target.port)
        if let known = literal?.socksTarget { return known }
        guard route.proxies[index].kind == .socks5 else {
            return .name(target.host, port: target.port)
        }
        let addresses = try await dial.own { () async throws(TransportError) in
            try await socket.lookUp(target.host, target.port).compactMap(\.socksTarget)
        }
        guard let found = addresses.first else {
            throw dial.failure(
                .connect(errno: EAFNOSUPPORT), .proxy,
                "\(target.host) is overridden with a Unix socket, which no SOCKS proxy can reach",
                hop: .proxy)
        }
        socksAddresses.keep(addresses, at: index)
        return found
    }

    private func failure(_ error: WireError, at index: Int) -> TransportError {
        dial.failure(.proxyFailed, .proxy, mark(index) + error.explained.message, hop: .proxy)
    }

    private func failure(_ error: TunnelError, at index: Int) -> TransportError {
        let (kind, message) = error.explained
        if let refusal = error.refusal { dial.note { $0.refused(refusal) } }
        var failure = dial.failure(kind, .proxy, mark(index) + message, hop: .proxy)
        if case .refused(let answer) = error { failure.proxyAnswer = answer }
        return failure
    }

    /// Says which proxy of several a message is about.
    private func mark(_ index: Int) -> String {
        route.proxies.count > 1 ? "\(route.proxies[index]): " : ""
    }

    private func late(_ what: String) -> String {
        dial.late(what, dialer.tuning.dial.proxyTimeout, "dial.proxyTimeout")
    }

    // MARK: A 407

    /// What to answer a refusal with; `nil` when it is none that asks, or nothing is to be said.
    private func answer(
        to refusal: TransportError.ProxyAnswer, of proxy: ProxyEndpoint, _ index: Int,
        until limit: Deadline?
    ) async throws(TransportError) -> String? {
        guard refusal.status == 407, proxy.hasOptions else { return nil }
        switch proxy.reply(to: refusal.fields) {
        case .said(let answer): return answer
        case .asked(let authenticator, let challenge):
            let answer = try await dial.own { () async throws(TransportError) in
                try await ask(authenticator, challenge, index, until: limit)
            }
            guard ChallengeReply.isSendable(answer) else {
                throw failure(TunnelError.invalid(ChallengeReply.unsendable), at: index)
            }
            return answer
        }
    }

    /// Asks the callback; a cancelled dial does not wait for it.
    private func ask(
        _ authenticator: ProxyAuthenticator, _ challenge: ProxyChallenge, _ index: Int,
        until limit: Deadline?
    ) async throws(TransportError) -> String? {
        await dialer.hooks.beforeWait?(.proxy)
        switch await authenticator.answer(challenge, until: limit) {
        case .answered(let answer): return answer
        case .late:
            throw dial.failure(
                .timeout, .proxy, mark(index) + late(ChallengeReply.late), hop: .proxy)
        case .cancelled:
            throw dial.failure(.cancelled, .proxy, "the dial was cancelled", hop: .proxy)
        }
    }
}
