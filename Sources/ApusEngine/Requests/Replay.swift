import ApusConnection
import ApusCore
import ApusHTTP2

// Whether a failed request is sent again.

extension OutgoingRequest {
    /// Whether the failure proves that sending again does no harm.
    ///
    /// Where that is unclear, an idempotent request is sent again on one condition: its connection
    /// was in the pool before and has ended without a word, as a peer ends one that it takes for
    /// idle.
    /// HTTP/2 has words for what was not acted on (GOAWAY, RST_STREAM): a peer that used them, and
    /// left this request out, may have acted on it.
    ///
    /// - Parameters:
    ///   - wasInPool: whether the connection was there before the request needed one.
    ///   - isSilent: whether the connection has ended without such a word.
    ///   - isLost: whether the system gave the connection up, so that a time-out is no deadline of
    ///     the request's.
    func mayReplay(
        after error: TransportError, wasInPool: Bool, isSilent: Bool, isLost: Bool
    ) -> Bool {
        guard !error.demandsCalm else { return false }
        switch error.kind {
        case .reset, .truncated, .h2GoAway, .h2Stream: break
        case .timeout where isLost: break
        case .malformed where error.demandsHTTP1: break
        default: return false
        }
        switch error.replay {
        case .notSent, .refusedByPeer: return true
        // A connection that was made for the request and ends at once is a fault of the peer.
        case .notReceived: return wasInPool && isSilent
        case .unknown:
            return isSilent && wasInPool && error.bytesReceived == 0 && isIdempotent
        case .responseStarted: return false
        }
    }
}

extension TransportError {
    /// What a request is sent again after when its expectation alone was refused (417).
    static func expectationRefused(by route: Route) -> TransportError {
        let refused = InvalidRequest(field: "expect", reason: "was refused by the peer (417)")
        var error = TransportError(
            .invalidRequest(refused), phase: .head, message: refused.description,
            replay: .refusedByPeer)
        error.route = route
        return error
    }

    /// Whether the peer serves the request over HTTP/1.1 alone (RFC 9113, section 7), or has shown
    /// that it speaks nothing else.
    var demandsHTTP1: Bool {
        guard replay != .responseStarted else { return false }
        return http2Code == HTTP2ErrorCode.http11Required || peerSpeaksHTTP1
    }

    /// Whether the peer complains about the load (ENHANCE_YOUR_CALM): the same again at once is
    /// what it does not want.
    fileprivate var demandsCalm: Bool { http2Code == HTTP2ErrorCode.enhanceYourCalm }

    private var http2Code: UInt32? {
        switch kind {
        case .h2Stream(let code), .h2GoAway(let code, _, _): code
        default: nil
        }
    }
}

extension TransportError.Replay {
    /// Whether it proves that sending again does no harm.
    var isHarmless: Bool {
        switch self {
        case .notSent, .notReceived, .refusedByPeer: true
        case .unknown, .responseStarted: false
        }
    }
}
