import ApusCore
import ApusHTTP1
package import ApusHTTP2
import HTTPTypes

/// Asks a proxy that speaks HTTP/2 for a tunnel: CONNECT on a stream (RFC 9113, section 8.5).
///
/// It has a session of its own, which the tunnel goes on with once the proxy has answered 2xx.
/// Another answer is kept, its body up to `limits.proxyErrorBodyBytes`.
package struct HTTP2ConnectHandshake {
    /// The session with the proxy.
    package let session: HTTP2Session
    /// The stream of the present CONNECT; 0 before the first.
    package private(set) var stream: HTTP2StreamID = 0

    private let authority: String
    private let limits: EngineTuning.Limits
    private var fields: HiddenFields
    /// The answer was 2xx.
    private var isEstablished = false
    private var refusal: ProxyRefusal

    init(
        to authority: String, fields: HTTPFields, _ tuning: EngineTuning.HTTP2,
        limits: EngineTuning.Limits
    ) throws(TunnelError) {
        self.authority = authority
        self.fields = HiddenFields(list: fields)
        self.limits = limits
        refusal = ProxyRefusal(limits: limits)
        do throws(HTTP2Error) {
            session = try HTTP2Session(tuning, limits: limits)
        } catch {
            throw TunnelError(error)
        }
    }

    /// The next `start` asks on another stream, with these fields.
    mutating func askAgain(with fields: HTTPFields) {
        self.fields = HiddenFields(list: fields)
    }

    mutating func start(output: inout [UInt8]) throws(TunnelError) {
        if stream != 0 { session.reset(stream, code: HTTP2ErrorCode.cancel) }
        refusal = ProxyRefusal(limits: limits)
        var request = HTTPRequest(method: .connect, scheme: nil, authority: authority, path: nil)
        for var field in fields.list {
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
        if let failure = takeOutput(&output) { throw TunnelError(failure) }
    }

    /// Takes all of the input: what follows a 2xx stays in the session, for the tunnel.
    mutating func bytesReceived(
        _ input: RawSpan, offset: inout Int, output: inout [UInt8]
    ) throws(TunnelError) -> TunnelProgress {
        offset = input.byteCount
        var failure: HTTP2Error?
        do throws(HTTP2Error) {
            try session.bytesReceived(input)
        } catch {
            failure = error
        }
        // Output makes events too: a malformed answer is reported once its RST_STREAM is framed.
        var unsent = takeOutput(&output)
        while !isEstablished, let event = session.nextEvent() {
            do throws(TunnelError) {
                try take(event)
            } catch {
                _ = takeOutput(&output)
                throw error
            }
        }
        unsent = takeOutput(&output) ?? unsent
        if isEstablished { return .established }
        if let failure = failure ?? unsent { throw TunnelError(failure) }
        return .needsBytes
    }

    /// Whether a refused CONNECT may be followed by another on this connection.
    var mayAskAgain: Bool { !session.isDraining }

    /// What the connection's early end means.
    func streamEnded() -> TunnelError { refusal.error ?? .closed }

    private mutating func take(_ event: HTTP2Event) throws(TunnelError) {
        switch event {
        case .head(let id, let response, let endOfBody) where id == stream:
            guard response.status.kind == .successful else {
                return try refusal.headReceived(response)
            }
            if endOfBody { throw .closed }
            isEstablished = true
        case .body(let id, let bytes) where id == stream:
            session.consumed(bytes.count, on: id)
            try bytes.withSpan { (span) throws(TunnelError) in try refusal.bodyReceived(span) }
        case .end(let id, _) where id == stream: throw refusal.error ?? .closed
        case .failed(let id, let failure) where id == stream:
            throw refusal.error ?? TunnelError(failure)
        default: break
        }
    }

    /// Frames what the session has to send.
    ///
    /// - Returns: what made that impossible.
    private func takeOutput(_ output: inout [UInt8]) -> HTTP2Error? {
        do throws(HTTP2Error) {
            try session.appendOutput(to: &output)
            return nil
        } catch {
            return error
        }
    }
}

extension TunnelError {
    init(_ error: HTTP2Error) {
        switch error.kind {
        case .invalidRequest(let invalid): self = .invalid(invalid.description)
        case .tooLarge: self = .tooLarge(.request(error))
        case .closing, .streamsExhausted, .ended: self = .closed
        case .protocolViolation, .abuse, .internalFailure: self = .malformed(.http2Session(error))
        }
    }

    init(_ failure: StreamFailure) {
        switch failure {
        case .reset(let code): self = .streamReset(code: code)
        case .refused: self = .streamReset(code: HTTP2ErrorCode.refusedStream)
        case .malformed(let breach): self = .malformed(.http2(breach))
        case .tooLarge(let excess): self = .tooLarge(.http2(excess))
        case .notSent, .aboveLastStreamID, .trailersNotFramed, .connectionLost: self = .closed
        }
    }
}
