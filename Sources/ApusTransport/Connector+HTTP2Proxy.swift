import ApusCore
import ApusHTTP2
import ApusTunnel
import HTTPTypes

// A tunnel through a proxy that chose HTTP/2.
extension Connector {
    /// CONNECT on a stream, and once more on another when the proxy asks who we are.
    func connectOverHTTP2(
        to target: TunnelTarget, through index: Int, over wire: Wire
    ) async throws(TransportError) {
        let proxy = route.proxies[index]
        let limit = deadline(dialer.tuning.dial.proxyTimeout)
        let tunnel: HTTP2Tunnel
        do throws(TunnelError) {
            tunnel = try HTTP2Tunnel(dialer.tuning.http2, limits: dialer.tuning.limits)
        } catch {
            throw failure(error, at: index)
        }
        while true {
            do throws(TransportError) {
                var output: [UInt8] = []
                do throws(TunnelError) {
                    try tunnel.ask(
                        for: target.authority, fields(for: proxy, at: index), output: &output)
                } catch {
                    throw failure(error, at: index)
                }
                wire.send(unsafe output.span.bytes)
                try await waitForTunnel(tunnel, through: index, over: wire, until: limit)
                break
            } catch {
                guard let asked = error.proxyAnswer, logins.answer(at: index) == nil,
                    let answer = try await answer(to: asked, of: proxy, index, until: limit)
                else { throw error }
                tell { .proxyChallenged(connection: $0, proxy: proxy.description) }
                logins.keep(answer, at: index, isClosed: !tunnel.mayAskAgain)
                if !tunnel.mayAskAgain { throw error }
            }
        }
        do throws(WireError) {
            try wire.add(.tunnel(tunnel))
        } catch {
            throw failure(
                .proxyFailed, .proxy, mark(index) + error.explained.message, hop: .proxy)
        }
    }

    private func waitForTunnel(
        _ tunnel: HTTP2Tunnel, through index: Int, over wire: Wire, until limit: Deadline?
    ) async throws(TransportError) {
        while true {
            var output: [UInt8] = []
            var progress = TunnelProgress.needsBytes
            var refusal: TunnelError?
            let outcome: Wire.ReadOutcome
            do throws(WireError) {
                outcome = try wire.read { bytes in
                    guard refusal == nil else { return }
                    do throws(TunnelError) {
                        progress = try tunnel.answerReceived(bytes, output: &output)
                    } catch {
                        refusal = error
                    }
                }
            } catch {
                if case .refused(let answer) = tunnel.answerCut() {
                    throw failure(TunnelError.refused(answer), at: index)
                }
                throw failure(
                    .proxyFailed, .proxy, mark(index) + error.explained.message, hop: .proxy)
            }
            if !output.isEmpty { wire.send(unsafe output.span.bytes) }
            if let refusal {
                // HTTP_1_1_REQUIRED (RFC 9113, section 7): the next connection offers nothing else.
                if refusal == .streamReset(code: HTTP2ErrorCode.http11Required) {
                    logins.demandHTTP1(at: index)
                }
                throw failure(refusal, at: index)
            }
            if progress == .established { return }
            switch outcome {
            case .progress: continue
            case .end: throw failure(tunnel.answerCut(), at: index)
            case .wouldBlock:
                try await wait(
                    .proxy, until: limit, mark(index) + "the proxy did not answer in time", .proxy)
            }
        }
    }
}
