import ApusCore
import ApusHTTP2
import ApusSocket
import ApusWire

// What the connections know of how an exchange ends on them.

extension ConnectionEnd {
    /// The end of an exchange on a wire, which is not closed yet.
    ///
    /// - Parameter sign: `nil` is what the wire ended with, or the engine.
    init(
        _ sign: Sign? = nil, on wire: Wire, over route: Route, _ facts: ConnectionFacts,
        now: Deadline = .now()
    ) {
        let age = now.since(wire.established)
        self.init(
            sign ?? wire.endSign ?? .engine, age: age, isThroughProxy: !route.proxies.isEmpty,
            isSecured: facts.tls != nil)
        if let silence = wire.silence {
            sinceReceived = min(age, silence.sinceReceived)
            sinceSent = min(age, silence.sinceSent)
        }
    }

    /// Adds what TCP shows of the request's bytes.
    mutating func add(_ arrival: RequestArrival?) {
        bytesWritten = arrival?.written
        bytesAcknowledged = arrival?.acknowledged
    }

    /// Adds what an HTTP/2 session knows.
    mutating func add(
        _ session: HTTP2Session, goAway: Deadline?, answer: Deadline?, now: Deadline = .now()
    ) {
        (pings, pingsAnswered) = session.pingCounts
        sinceGoAway = goAway.map { now.since($0) }
        sinceAnswer = pingsAnswered > 0 ? answer.map { now.since($0) } : nil
    }
}

extension Wire {
    /// What it ended with; `nil` when neither the peer nor the network ended it.
    ///
    /// An error of sending comes first: after a reset, reading may find an end like any other.
    fileprivate var endSign: ConnectionEnd.Sign? {
        sendError.flatMap { .init($0) } ?? inputEnding.flatMap { .init($0) }
    }
}

extension Exchange {
    /// How it ends now on a wire, if it goes on; `nil` is by what the wire ended with.
    func end(
        _ sign: ConnectionEnd.Sign?, on wire: Wire, _ facts: ConnectionFacts
    ) -> ConnectionEnd? {
        hasEnded ? nil : ConnectionEnd(sign, on: wire, over: request.route, facts)
    }

    /// An end of the connection as this exchange has met it.
    func met(_ end: ConnectionEnd?) -> ConnectionEnd? {
        guard var end else { return nil }
        let lastSign = lastSign
        // Over HTTP/1.1 the connection's last byte is the response's.
        if lastSign == nil, timings.firstByteAfter != nil, let received = end.sinceReceived {
            end.silence = received
            return end
        }
        let since = lastSign ?? timings.headAt ?? timings.sentAt
        // The instant of the last byte is some milliseconds early.
        end.silence = since.map { min(end.age, Deadline.now().since($0)) }
        return end
    }
}
