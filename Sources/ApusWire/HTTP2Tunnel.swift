import ApusCore
package import ApusHTTP2
import ApusSocket
package import ApusTunnel

/// A tunnel through a proxy that speaks HTTP/2, as a layer of a wire: the one stream of a session
/// of its own (RFC 9113, section 8.5).
///
/// A connection to a proxy carries one tunnel: so the socket's own backpressure is the tunnel's, no
/// tunnel waits for another's lost packet, and what ends one connection to an origin ends no other.
/// An HTTP/2 origin has all its streams in one tunnel.
///
/// Confined to its wire's loop.
package final class HTTP2Tunnel {
    /// What is delivered of what was read ahead, as in one read from the socket.
    private static let deliveredAtOnce = 64 * 1024

    private let session: HTTP2Session
    private let stream: HTTP2StreamID
    /// The proxy has ended its side of the stream.
    private var hasEnded = false
    /// What ended the stream before its time.
    private var fault: HTTP2TunnelFault?
    /// What has come through the tunnel and was not delivered; its stream's window bounds it, since
    /// only what is delivered is credited.
    private var held = ChunkQueue()
    /// Whether the wire has got `hasEnded` or `fault`.
    private var isEndReported = false

    /// Goes on with the session of a handshake that is established.
    package init(_ handshake: HTTP2ConnectHandshake) {
        session = handshake.session
        stream = handshake.stream
    }

    /// Whether there is something to deliver, or an end or a fault to report.
    var isHolding: Bool {
        !held.isEmpty || !isEndReported && (hasEnded || fault != nil)
    }

    /// Bytes that the stream's window has not let out yet.
    var backlog: Int { session.queuedBytes(on: stream) }

    /// Delivers what has come through the tunnel; `true` once the proxy has ended its side.
    ///
    /// What is delivered is credited at once; what is read ahead of that stays within the window.
    func receive(
        _ bytes: RawSpan, output: inout [UInt8], deliver: (RawSpan) -> Void
    ) throws(WireError) -> Bool {
        if !bytes.isEmpty { take(bytes) }
        var room = HTTP2Tunnel.deliveredAtOnce
        while room > 0, let bytes = held.popFirst() {
            bytes.withSpan(deliver)
            session.consumed(bytes.count, on: stream)
            room -= bytes.count
        }
        takeOutput(&output)
        guard held.isEmpty else { return false }
        isEndReported = hasEnded || fault != nil
        if let fault { throw .tunnel(fault) }
        return hasEnded
    }

    /// Takes in what comes while the owner does not read: the proxy gets its answers, the tunnel's
    /// bytes are held until `receive`.
    func readAhead(_ bytes: RawSpan, output: inout [UInt8]) {
        take(bytes)
        takeOutput(&output)
    }

    private func take(_ bytes: RawSpan) {
        guard fault == nil else { return }
        var failure: HTTP2Error?
        session.timePassed(now: .now())
        do throws(HTTP2Error) {
            try session.bytesReceived(bytes)
        } catch {
            failure = error
        }
        while let event = session.nextEvent() { note(event) }
        guard let failure, fault == nil, !hasEnded else { return }
        fault = .session(failure)
    }

    private func note(_ event: HTTP2Event) {
        switch event {
        case .body(let id, let bytes) where id == stream: held.append(bytes)
        case .end(let id, _) where id == stream: hasEnded = true
        case .failed(let id, let failure) where id == stream && !hasEnded:
            fault = .stream(failure)
        default: break
        }
    }

    /// Frames as much as the windows allow; the rest waits for the proxy to open them.
    func send(_ bytes: RawSpan, output: inout [UInt8]) throws(WireError) {
        if let fault { throw .tunnel(fault) }
        session.send(Bytes(copying: bytes), endOfBody: false, on: stream)
        takeOutput(&output)
        if let fault { throw .tunnel(fault) }
    }

    /// Ends our side of the stream; reading goes on.
    func endSending(output: inout [UInt8]) {
        session.send(.empty, endOfBody: true, on: stream)
        takeOutput(&output)
    }

    /// Ends the stream and the connection with it.
    func close(output: inout [UInt8]) {
        endSending(output: &output)
        session.goAway(code: HTTP2ErrorCode.noError)
        takeOutput(&output)
    }

    /// The bytes below are at an end, and the tunnel with them.
    func streamEnded() throws(WireError) {
        guard !hasEnded else { return }
        throw .tunnel(fault ?? .connectionEnded)
    }

    private func takeOutput(_ output: inout [UInt8]) {
        do throws(HTTP2Error) {
            try session.appendOutput(to: &output)
        } catch {
            fault = fault ?? .session(error)
        }
        // Sending makes events too.
        while let event = session.nextEvent() { note(event) }
    }
}

/// Why a tunnel over HTTP/2 is of no more use.
package enum HTTP2TunnelFault: Error {
    /// The session with the proxy failed.
    case session(HTTP2Error)
    /// The proxy ended the tunnel's stream.
    case stream(StreamFailure)
    /// The tunnel ended before a byte came through it.
    case endedAtOnce
    /// The proxy's connection ended before the tunnel did.
    case connectionEnded
}
