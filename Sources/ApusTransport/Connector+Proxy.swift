import ApusCore
import ApusSocket
import ApusTunnel

// The way through a proxy.
extension Connector {
    /// Gets through the proxy: TLS to it where it wants that, then a tunnel unless it forwards.
    func pass(_ proxy: ProxyEndpoint, over wire: Wire) async throws(TransportError) {
        if proxy.kind == .https {
            var settings = route.tls
            settings.serverName = nil
            _ = try await secure(wire, to: proxy.host, settings, alpn: ["http/1.1"], hop: .proxy)
        }
        guard !route.isForwarded else { return }
        var handshake: TunnelHandshake
        switch proxy.kind {
        case .http, .https:
            handshake = .connect(
                to: route.origin, credentials: proxy.credentials, limits: dialer.tuning.limits)
        case .socks5, .socks5h:
            let target = try await socksTarget(proxy)
            do throws(TunnelError) {
                handshake = try .socks5(to: target, credentials: proxy.credentials)
            } catch {
                throw failure(error)
            }
        }
        try await tunnel(&handshake, over: wire)
    }

    func tunnel(
        _ handshake: inout TunnelHandshake, over wire: Wire
    ) async throws(TransportError) {
        var output: [UInt8] = []
        do throws(TunnelError) {
            try handshake.start(output: &output)
        } catch {
            throw failure(error)
        }
        wire.send(unsafe output.span.bytes)
        let limit = deadline(dialer.tuning.dial.proxyTimeout)
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
                    throw failure(TunnelError.refused(answer))
                }
                throw failure(.proxyFailed, .proxy, error.explained.message, hop: .proxy)
            }
            if !output.isEmpty { wire.send(unsafe output.span.bytes) }
            if let refusal { throw failure(refusal) }
            if progress == .established { return }
            switch outcome {
            case .progress: continue
            case .end: throw failure(handshake.streamEnded())
            case .wouldBlock:
                try await wait(.proxy, until: limit, "the proxy did not answer in time", .proxy)
            }
        }
    }

    /// SOCKS5 takes an address when names are resolved here, else the name itself.
    func socksTarget(_ proxy: ProxyEndpoint) async throws(TransportError) -> SOCKSTarget {
        let origin = route.origin
        if let literal = SocketAddress(literal: origin.host, port: origin.port) {
            return literal.socksTarget
        }
        guard proxy.kind == .socks5 else { return .name(origin.host, port: origin.port) }
        let addresses = try await lookUp(origin.host, origin.port)
        return addresses[0].socksTarget
    }

    func failure(_ error: TunnelError) -> TransportError {
        let (kind, message) = error.explained
        var failure = failure(kind, .proxy, message, hop: .proxy)
        if case .refused(let answer) = error { failure.proxyAnswer = answer }
        return failure
    }
}
