import ApusCore
import ApusHTTP1
import ApusHTTP2
import ApusSocket
import ApusTunnel
import HTTPTypes

/// A tunnel through a proxy that speaks HTTP/2: the one stream of a session of its own (RFC 9113,
/// section 8.5).
///
/// First it asks for the tunnel, then it is a layer of the wire. A connection to a proxy carries
/// one tunnel: so the socket's own backpressure is the tunnel's, no tunnel waits behind another's
/// lost packet, and what ends one connection to an origin ends no other. What is shared is what
/// runs through it: an HTTP/2 origin has all its streams in one tunnel.
///
/// Confined to its wire's loop.
final class HTTP2Tunnel {
    /// What is framed before it goes down the wire.
    private static let frameAtOnce = 64 * 1024
    /// What is delivered of what was read ahead, as in one read from the socket.
    private static let deliveredAtOnce = 64 * 1024

    private let session: HTTP2Session
    private let maxBody: Int
    /// The present CONNECT's stream, and nothing's before the first.
    private var stream: HTTP2StreamID = 0
    /// The answer was 2xx.
    private var isOpen = false
    /// The proxy has ended its side of the stream.
    private var hasEnded = false
    /// What ended the stream before its time.
    private var fault: WireError?
    /// An answer that is no tunnel.
    private var refusal: HTTPResponse?
    private var body: [UInt8] = []
    /// What has come through the tunnel and was not delivered; its stream's window bounds it, since
    /// only what is delivered is credited.
    private var held = ChunkQueue()
    /// Whether the wire was told of `hasEnded` or `fault`.
    private var isOverTold = false

    init(_ tuning: EngineTuning.HTTP2, limits: EngineTuning.Limits) throws(TunnelError) {
        maxBody = limits.proxyErrorBodyBytes
        do throws(HTTP2Error) {
            session = try HTTP2Session(tuning, limits: limits)
        } catch {
            throw TunnelError(error)
        }
    }

    // MARK: Asking

    /// Asks for a tunnel, once more on another stream when a first was refused.
    func ask(
        for authority: String, _ fields: HTTPFields, output: inout [UInt8]
    ) throws(TunnelError) {
        if stream != 0 { session.reset(stream, code: HTTP2ErrorCode.cancel) }
        (refusal, body) = (nil, [])
        var request = HTTPRequest(method: .connect, scheme: nil, authority: authority, path: nil)
        for var field in fields {
            // Credentials have no place in a compression table (RFC 7541, section 7.1.3).
            if field.name == .proxyAuthorization { field.indexingStrategy = .disallow }
            request.headerFields.append(field)
        }
        do throws(InvalidRequest) {
            try RequestValidator.validate(request)
        } catch {
            throw .invalid(error.description)
        }
        do throws(HTTP2Error) {
            stream = try session.submit(request, hasBody: true)
        } catch {
            throw TunnelError(error)
        }
        takeOutput(&output)
    }

    /// Goes on with what the proxy sends; once established, the rest is `receive`'s.
    func answerReceived(
        _ bytes: RawSpan, output: inout [UInt8]
    ) throws(TunnelError) -> TunnelProgress {
        var failure: HTTP2Error?
        session.timePassed(now: .now())
        do throws(HTTP2Error) {
            try session.bytesReceived(bytes)
        } catch {
            failure = error
        }
        defer { takeOutput(&output) }
        // Taking output makes events too: a malformed answer is told once its RST_STREAM is framed.
        takeOutput(&output)
        while !isOpen, let event = session.nextEvent() { try take(event) }
        // What follows the head is left for `receive`.
        if isOpen { return .established }
        if let failure { throw TunnelError(failure) }
        return .needsBytes
    }

    /// Whether a refused CONNECT may be followed by another on this connection.
    var mayAskAgain: Bool { !session.isDraining }

    /// What the connection's early end means.
    func answerCut() -> TunnelError { refused() ?? .closed }

    private func take(_ event: HTTP2Event) throws(TunnelError) {
        switch event {
        case .head(let id, let response, let endOfBody) where id == stream:
            guard response.status.kind == .successful else {
                refusal = response
                if maxBody == 0, let error = refused() { throw error }
                return
            }
            if endOfBody { throw .closed }
            isOpen = true
        case .body(let id, let bytes) where id == stream:
            session.consumed(bytes.count, on: id)
            let kept = bytes.prefix(maxBody - body.count)
            kept.withSpan { body.append(copying: $0) }
            if body.count == maxBody, let error = refused() { throw error }
        case .end(let id, _) where id == stream: throw refused() ?? .closed
        case .failed(let id, let failure) where id == stream:
            throw refused() ?? TunnelError(failure)
        default: break
        }
    }

    private func refused() -> TunnelError? {
        guard let refusal else { return nil }
        return .refused(
            TransportError.ProxyAnswer(
                status: refusal.status.code, fields: refusal.headerFields, body: Bytes(body)))
    }

    // MARK: As a layer

    /// Whether there is something to deliver, or an end or a fault to tell.
    var isHolding: Bool {
        isOpen && (!held.isEmpty || !isOverTold && (hasEnded || fault != nil))
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
        isOverTold = hasEnded || fault != nil
        if let fault { throw fault }
        return hasEnded
    }

    /// Takes in what comes while nobody reads: what the proxy asks is answered, and the tunnel's
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
        fault = .tunnel(TransportError.Kind(failure), failure.message)
    }

    private func note(_ event: HTTP2Event) {
        switch event {
        case .body(let id, let bytes) where id == stream: held.append(bytes)
        case .end(let id, _) where id == stream: hasEnded = true
        case .failed(let id, let failure) where id == stream && !hasEnded:
            fault = .tunnel(TransportError.Kind(failure), "the tunnel: \(failure.explained)")
        default: break
        }
    }

    /// Frames as much as the windows allow; the rest waits for the proxy to open them.
    func send(_ bytes: RawSpan, output: inout [UInt8]) throws(WireError) {
        if let fault { throw fault }
        session.send(Bytes(copying: bytes), endOfBody: false, on: stream)
        takeOutput(&output)
        if let fault { throw fault }
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
        throw fault ?? .tunnel(.truncated, "the proxy's connection ended and the tunnel did not")
    }

    private func takeOutput(_ output: inout [UInt8]) {
        do throws(HTTP2Error) {
            while try session.nextOutput(into: &output, limit: HTTP2Tunnel.frameAtOnce) {}
        } catch {
            fault = fault ?? .tunnel(TransportError.Kind(error), error.message)
        }
        guard isOpen else { return }
        // Sending makes events too.
        while let event = session.nextEvent() { note(event) }
    }
}

extension TunnelError {
    init(_ error: HTTP2Error) {
        switch error.kind {
        case .invalidRequest(let invalid): self = .invalid(invalid.description)
        case .tooLarge: self = .tooLarge(error.message)
        case .closing, .streamsExhausted, .ended: self = .closed
        case .protocolViolation, .abuse, .internalFailure: self = .malformed(error.message)
        }
    }

    init(_ failure: StreamFailure) {
        switch failure {
        case .reset(let code): self = .streamReset(code: code)
        case .refused: self = .streamReset(code: HTTP2ErrorCode.refusedStream)
        case .malformed(let breach): self = .malformed(breach.description)
        case .tooLarge(let excess): self = .tooLarge(excess.description)
        case .notSent, .aboveLastStreamID, .trailersNotFramed, .connectionLost: self = .closed
        }
    }
}
