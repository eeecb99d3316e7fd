import ApusCore
import ApusSocket
import ApusTLS
import ApusTunnel
import Glibc
import HTTPTypes

// The way through a proxy.
extension Connector {
    /// Gets through the proxy at `index`: TLS to it where it wants that, then a tunnel to the next
    /// proxy or to the origin, unless it is the last and forwards.
    func pass(_ index: Int, over wire: Wire) async throws(TransportError) {
        let proxy = route.proxies[index]
        let forwards = index == route.proxies.count - 1 && route.isForwarded
        var speaksHTTP2 = false
        if proxy.kind == .https {
            let mayChoose =
                !forwards && proxy.options.allowsHTTP2 && !logins.demandsHTTP1(at: index)
            speaksHTTP2 = try await secure(wire, toProxy: index, mayChooseHTTP2: mayChoose)
        }
        guard !forwards else { return }
        let target = route.target(behind: index)
        switch proxy.kind {
        case .http, .https:
            if speaksHTTP2 {
                try await connectOverHTTP2(to: target, through: index, over: wire)
            } else {
                try await connect(to: target, through: index, over: wire)
            }
        case .socks4a, .socks5, .socks5h:
            let socksTarget = try await socksTarget(target, proxy.kind, at: index)
            var handshake: TunnelHandshake
            do throws(TunnelError) {
                handshake =
                    proxy.kind == .socks4a
                    ? try .socks4a(to: socksTarget, credentials: proxy.credentials)
                    : try .socks5(to: socksTarget, credentials: proxy.credentials)
            } catch {
                throw failure(error, at: index)
            }
            let limit = deadline(dialer.tuning.dial.proxyTimeout)
            do throws(TransportError) {
                try await tunnel(&handshake, through: index, over: wire, until: limit)
            } catch {
                socksAddresses.refused(at: index, error.socksCause)
                throw error
            }
        }
        tell { .tunnelled(connection: $0, proxy: proxy.description) }
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
        let facts = try await secure(
            wire, to: name, settings, alpn: offer,
            at: TLSHop(proxyAt: index, of: route, offering: offer))
        tell {
            .proxySecured(
                connection: $0, proxy: proxy.description, tls: ConnectionFacts.TLSFacts(facts))
        }
        return facts.alpn == "h2"
    }

    /// What goes to the proxy with a CONNECT: its own fields, and credentials as far as it has
    /// asked.
    func fields(for proxy: ProxyEndpoint, at index: Int) -> HTTPFields {
        proxy.fields(authorization: logins.answer(at: index))
    }

    /// CONNECT, and once more when the proxy asks who we are.
    private func connect(
        to target: TunnelTarget, through index: Int, over wire: Wire
    ) async throws(TransportError) {
        let proxy = route.proxies[index]
        let limit = deadline(dialer.tuning.dial.proxyTimeout)
        while true {
            var handshake = TunnelHandshake.connect(
                to: target.authority, fields: fields(for: proxy, at: index),
                limits: dialer.tuning.limits)
            do throws(TransportError) {
                return try await tunnel(&handshake, through: index, over: wire, until: limit)
            } catch {
                guard let asked = error.proxyAnswer, logins.answer(at: index) == nil,
                    let answer = try await answer(to: asked, of: proxy, index, until: limit)
                else { throw error }
                tell { .proxyChallenged(connection: $0, proxy: proxy.description) }
                logins.keep(answer, at: index, isClosed: !handshake.mayAskAgain)
                if !handshake.mayAskAgain { throw error }
            }
        }
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
            do throws(WireError) {
                outcome = try wire.read { bytes in
                    var offset = 0
                    do throws(TunnelError) {
                        guard progress == .needsBytes, refusal == nil else {
                            return wire.putBack(bytes)
                        }
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
                throw failure(
                    .proxyFailed, .proxy, mark(index) + error.explained.message, hop: .proxy)
            }
            if !output.isEmpty { wire.send(unsafe output.span.bytes) }
            if let refusal { throw failure(refusal, at: index) }
            if progress == .established { return }
            switch outcome {
            case .progress: continue
            case .end: throw failure(handshake.streamEnded(), at: index)
            case .wouldBlock:
                try await wait(
                    .proxy, until: limit, mark(index) + "the proxy did not answer in time", .proxy)
            }
        }
    }

    /// SOCKS takes an address when names are resolved here, else the name itself.
    private func socksTarget(
        _ target: TunnelTarget, _ kind: ProxyEndpoint.Kind, at index: Int
    ) async throws(TransportError) -> SOCKSTarget {
        if let current = socksAddresses.current(at: index) { return current }
        let literal = SocketAddress(literal: target.host, port: target.port)
        if let known = literal?.socksTarget { return known }
        guard kind == .socks5 else { return .name(target.host, port: target.port) }
        let addresses = try await lookUp(target.host, target.port).compactMap(\.socksTarget)
        guard let found = addresses.first else {
            throw failure(
                .connect(errno: EAFNOSUPPORT), .proxy,
                "\(target.host) is overridden with a Unix socket, which no SOCKS proxy can reach",
                hop: .proxy)
        }
        socksAddresses.keep(addresses, at: index)
        return found
    }

    func failure(_ error: TunnelError, at index: Int) -> TransportError {
        let (kind, message) = error.explained
        var failure = failure(kind, .proxy, mark(index) + message, hop: .proxy)
        if case .refused(let answer) = error { failure.proxyAnswer = answer }
        return failure
    }

    /// Says which proxy of several a message is about.
    func mark(_ index: Int) -> String {
        route.proxies.count > 1 ? "\(route.proxies[index]): " : ""
    }
}
