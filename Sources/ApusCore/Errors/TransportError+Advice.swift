// What a caller may do after an error: the verdict on harm, together with what failed and where.
extension TransportError {
    /// What a caller may do after an error.
    public enum Advice: String, Sendable, Hashable, Codable, CaseIterable {
        /// The same request may be sent again to the same place, after a pause: a lost connection,
        /// a refused stream, a lack of descriptors.
        case sendAgainHere
        /// The request may be sent again, but the same place would most likely fail again: another
        /// proxy, credential or origin may succeed.
        ///
        /// A caller that has only this place may send the request again after a longer pause.
        case sendAgainElsewhere
        /// The request itself or its body is at fault: it fails everywhere.
        case callerAtFault
        /// The request must not be sent again: the peer may have acted on it, a response had begun,
        /// or the caller's own decision ended it (cancellation, shutdown, total timeout).
        case givenUp
    }

    /// What a caller may do: `replay` says whether sending again can do harm, and this also whether
    /// it makes sense.
    ///
    /// It follows from kind, phase, hop and `replay`. A request whose effect is unknown is given
    /// up; `advice(forIdempotent: true)` also serves those that may take effect twice.
    public var advice: Advice { advice(forIdempotent: false) }

    /// The same for a request of which it is known whether it may take effect twice.
    ///
    /// - Parameter isIdempotent: whether it may; the verdict `unknown` is then no obstacle.
    public func advice(forIdempotent isIdempotent: Bool) -> Advice {
        switch kind {
        case .invalidRequest, .producerFailed: return .callerAtFault
        case .cancelled, .shutdown, .redirect: return .givenUp
        // The request's own head is larger than the peer allows.
        case .tooLarge where phase == .request: return .callerAtFault
        case .timeout where phase == .total: return .givenUp
        default: break
        }
        switch replay {
        case .responseStarted: return .givenUp
        case .unknown where !isIdempotent: return .givenUp
        case .unknown, .notSent, .notReceived, .refusedByPeer: return place
        }
    }

    /// Where sending again makes sense, when it can do no harm.
    private var place: Advice {
        // A lack of this system, which no other peer has to do with.
        if case .resource = kind { return .sendAgainHere }
        guard hop == .origin, isAfterDial || isTemporaryName else { return .sendAgainElsewhere }
        switch kind {
        case .reset, .truncated, .dns, .timeout: return .sendAgainHere
        case .h2Stream(let code), .h2GoAway(let code, _, _):
            // ENHANCE_YOUR_CALM and INADEQUATE_SECURITY (RFC 9113, section 7).
            return code == 11 || code == 12 ? .sendAgainElsewhere : .sendAgainHere
        default: return .sendAgainElsewhere
        }
    }

    /// Whether there was a connection for the request.
    private var isAfterDial: Bool {
        switch phase {
        case .send, .head, .body, .total: true
        case .request, .pool, .dns, .connect, .proxy, .tls: false
        }
    }

    /// Whether the name may resolve later.
    private var isTemporaryName: Bool {
        switch kind {
        case .dns(let isTemporary): isTemporary
        case .timeout: phase == .dns
        default: false
        }
    }
}
