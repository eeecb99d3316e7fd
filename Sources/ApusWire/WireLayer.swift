import ApusCore
package import ApusSocket
package import ApusTLS

/// One layer of a wire: bytes from below become bytes for above, and the other way round.
///
/// An enum, since a call through a protocol would be paid on each read.
package enum WireLayer {
    case tls(TLSEngine)
    case tunnel(HTTP2Tunnel)

    /// Takes bytes up; `true` once the peer has ended its side in good order.
    ///
    /// - Parameters:
    ///   - output: gets what the layer itself has to answer.
    ///   - deliver: gets bytes and, where they are in memory of their own, that memory.
    @inline(__always)
    func receive(
        _ bytes: RawSpan, output: inout [UInt8], deliver: (RawSpan, Bytes?) -> Void
    ) throws(WireError) -> Bool {
        switch self {
        case .tls(let engine):
            do throws(TLSError) {
                return try engine.receive(bytes, output: &output) { plaintext in
                    plaintext.withSpan { deliver($0, plaintext) }
                } == .closed
            } catch {
                throw .tls(error)
            }
        case .tunnel(let tunnel):
            return try tunnel.receive(bytes, output: &output) { deliver($0, nil) }
        }
    }

    /// Takes bytes down; `false` when nothing can be sent any more, and reading reports why.
    @inline(__always)
    func send(_ bytes: RawSpan, output: inout [UInt8]) -> Bool {
        switch self {
        case .tls(let engine):
            do throws(TLSError) {
                try engine.send(bytes, output: &output)
                return true
            } catch {
                return false
            }
        case .tunnel(let tunnel):
            do throws(WireError) {
                try tunnel.send(bytes, output: &output)
                return true
            } catch {
                return false
            }
        }
    }

    /// Says that nothing follows: close_notify, or the end of the stream and its connection.
    func close(output: inout [UInt8]) {
        switch self {
        case .tls(let engine): engine.close(output: &output)
        case .tunnel(let tunnel): tunnel.close(output: &output)
        }
    }

    /// Ends our side alone: close_notify, or the end of the stream.
    func endSending(output: inout [UInt8]) {
        switch self {
        case .tls(let engine): engine.close(output: &output)
        case .tunnel(let tunnel): tunnel.endSending(output: &output)
        }
    }

    /// The bytes below are at an end; throws unless this layer had ended before.
    func streamEnded() throws(WireError) {
        switch self {
        case .tls(let engine):
            do throws(TLSError) { try engine.streamEnded() } catch { throw .tls(error) }
        case .tunnel(let tunnel): try tunnel.streamEnded()
        }
    }
}

/// Why a wire is of no more use.
package enum WireError: Error {
    case system(SystemError)
    case tls(TLSError)
    /// An HTTP/2 proxy's tunnel ended before its time.
    case tunnel(HTTP2TunnelFault)
    /// A layer takes nothing more to send; reading says why.
    case layerTakesNoMore
    /// The peer ended the connection before the handshake was done.
    case endInHandshake
}
