package import ApusCore
package import ApusHTTP1
package import ApusHTTP2
package import ApusSocket
package import ApusTLS
package import ApusTunnel
package import ApusWire

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

// The one place where the layers' own errors become the kinds that users see.

extension TransportError.Kind {
    package init(_ error: HTTP1Error) {
        switch error.reason {
        case .malformed, .unsolicited: self = .malformed
        case .tooLarge: self = .tooLarge
        case .truncated: self = .truncated
        }
    }

    package init(_ error: HTTP2Error) {
        switch error.kind {
        case .protocolViolation: self = .malformed
        case .abuse: self = .h2Abuse
        case .tooLarge: self = .tooLarge
        case .streamsExhausted, .closing: self = .reset
        case .invalidRequest(let invalid): self = .invalidRequest(invalid)
        case .ended: self = .shutdown
        case .internalFailure: self = .resource(errno: ENOMEM)
        }
    }

    package init(_ failure: StreamFailure) {
        switch failure {
        case .notSent: self = .reset
        case .refused: self = .h2Stream(code: HTTP2ErrorCode.refusedStream)
        case .aboveLastStreamID(let code): self = .h2GoAway(code: code, lastStreamID: 0)
        case .reset(code: HTTP2ErrorCode.noError): self = .truncated
        case .reset(let code): self = .h2Stream(code: code)
        case .malformed: self = .malformed
        case .tooLarge, .trailersNotFramed: self = .tooLarge
        case .connectionLost: self = .truncated
        }
    }

    package init(_ error: TLSError) {
        switch error.kind {
        case .verify(let code, _): self = .tlsVerify(code: code)
        case .handshake, .configuration: self = .tlsHandshake
        case .resource(let errno): self = .resource(errno: errno)
        case .alert, .abuse: self = .tlsAlert
        case .unexpectedEnd: self = .truncated
        }
    }

    package init(_ error: SystemError) {
        switch error.errno {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: self = .resource(errno: error.errno)
        // What was sent, or a keepalive, was not acknowledged in time.
        case ETIMEDOUT: self = .timeout
        default: self = .reset
        }
    }
}

// What they show of the end of an exchange; `nil` where they show nothing.

extension ConnectionEnd.Sign {
    package init?(_ ending: WireEnding) {
        switch ending {
        case .fin: self = .fin
        case .closeNotify: self = .closeNotify
        case .failed(let error): self.init(error)
        }
    }

    /// `nil` for what is neither the peer's nor the network's fault.
    package init?(_ error: WireError) {
        switch error {
        case .system(let error): self.init(error)
        // Without close_notify.
        case .tls(let error): self = error.kind == .unexpectedEnd ? .fin : .tlsAlert
        case .tunnel: self = .tunnelEnd
        case .endInHandshake: self = .fin
        case .layerTakesNoMore: return nil
        }
    }

    private init?(_ error: SystemError) {
        switch error.errno {
        case ECONNRESET, EPIPE, ECONNABORTED: self = .reset
        // Nothing was acknowledged in time, or no way leads to the peer.
        case ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN: self = .silence
        default: return nil
        }
    }

    /// `nil` where the end of the stream's connection shows it.
    package init?(_ failure: StreamFailure) {
        switch failure {
        case .refused, .reset: self = .streamReset
        case .aboveLastStreamID: self = .goAway
        case .malformed, .tooLarge, .trailersNotFramed: self = .engine
        case .notSent, .connectionLost: return nil
        }
    }
}

extension HTTP1Error {
    /// The rule that was broken, and how much of the answer had come: an error's own count is of
    /// its body alone.
    func explained(after bytes: Int) -> String {
        bytes > 0 ? "\(message); \(bytes) bytes of the answer had come" : message
    }
}

extension WireError {
    /// The kind, and the failing layer's own words.
    package var explained: (kind: TransportError.Kind, message: String) {
        switch self {
        case .system(let error): (TransportError.Kind(error), error.description)
        case .tls(let error): (TransportError.Kind(error), error.message)
        case .tunnel(let fault): fault.explained
        // What a system reports as EPIPE.
        case .layerTakesNoMore: (.reset, "TLS or a tunnel takes nothing more to send")
        case .endInHandshake: (.tlsHandshake, "the peer closed the connection in the handshake")
        }
    }
}

extension HTTP2TunnelFault {
    /// The kind, and a sentence for people.
    fileprivate var explained: (kind: TransportError.Kind, message: String) {
        switch self {
        case .session(let error): (TransportError.Kind(error), error.message)
        case .stream(let failure):
            (TransportError.Kind(failure), "the tunnel: \(failure.explained)")
        case .endedAtOnce: (.truncated, "the tunnel ended at once")
        case .connectionEnded: (.truncated, "the proxy's connection ended before the tunnel did")
        }
    }
}

extension StreamFailure {
    /// A sentence for people.
    package var explained: String {
        switch self {
        case .notSent: "the connection took no more requests before this one left"
        case .refused: "the peer refused the stream (REFUSED_STREAM)"
        case .aboveLastStreamID(let code):
            "the peer's GOAWAY (\(code)) leaves the stream unprocessed"
        case .reset(code: HTTP2ErrorCode.noError):
            "the peer ended the stream before the response was complete"
        case .reset(let code): "the peer reset the stream (\(code))"
        case .malformed(let rule): "the response is malformed: \(rule)"
        case .tooLarge(let what): "the response is too large: \(what)"
        case .trailersNotFramed: "the request's trailers are too large to be framed"
        case .connectionLost: "the connection ended before the response was complete"
        }
    }
}

extension TunnelError {
    /// The kind, and a sentence without credentials.
    package var explained: (kind: TransportError.Kind, message: String) {
        switch self {
        case .refused(let answer):
            (.proxyStatus(answer.status), "the proxy answered \(answer.status)")
        case .reply(let code):
            (
                .proxyReply(code),
                "the SOCKS proxy replied \(code): \(SOCKSCause(code: code).words)"
            )
        case .streamReset(let code):
            (.proxyFailed, "the proxy ended the tunnel's stream (HTTP/2 code \(code))")
        case .authenticationRefused: (.proxyFailed, "the proxy refused the credentials")
        case .methodRefused(let method, let hadCredentials):
            (.proxyFailed, TunnelError.words(forMethod: method, hadCredentials))
        case .malformed(let rule): (.proxyFailed, "the proxy's answer is malformed: \(rule)")
        case .closed: (.proxyFailed, "the proxy closed the connection")
        case .tooLarge(let what): (.tooLarge, "the proxy's answer is too large: \(what)")
        case .invalid(let reason):
            (.invalidRequest(InvalidRequest(field: "host", reason: reason)), reason)
        }
    }
}

extension TunnelError {
    /// What a SOCKS 5 proxy's choice of a method means (RFC 1928, section 3).
    private static func words(forMethod method: UInt8, _ hadCredentials: Bool) -> String {
        switch (method, hadCredentials) {
        case (0xFF, false), (2, false):
            "the proxy wants credentials (SOCKS method \(method)), and there are none for it"
        case (0xFF, true):
            "the proxy accepts neither a password nor a client without one (SOCKS method 255)"
        default: "the proxy chose SOCKS method \(method), which was not offered"
        }
    }
}

extension ConnectionFacts.TLSFacts {
    package init(_ facts: TLSFacts) {
        self.init(
            version: facts.version, cipher: facts.cipher, alpn: facts.alpn,
            isResumed: facts.isResumed, chain: facts.chain)
    }
}

extension SocketAddress {
    /// The address as SOCKS wants it; `nil` for a Unix path.
    package var socksTarget: SOCKSTarget? {
        switch family {
        case .ipv4: .ipv4(hostBytes, port: port)
        case .ipv6: .ipv6(hostBytes, port: port)
        case .unix: nil
        }
    }
}
