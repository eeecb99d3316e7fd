package import ApusCore
import ApusHTTP2
import ApusSocket
import ApusWire

/// The way of one connection: what the engine knows of it, and what this connection adds to that.
package struct ConnectionWay: Sendable {
    /// What gRPC servers say when PINGs come more often than they allow.
    private static let tooManyPings = Array("too_many_pings".utf8)

    private let route: Route
    private let watch: WayWatch
    private let lessons: WayLessons
    /// Where the way has a limit, what shows that this connection outlives it.
    private var gauge: SilenceGauge?
    /// The silence before the PING that was sent last.
    private var silenceBeforePing = Duration.zero
    /// The longest silence before a PING that was answered.
    private var outlived = Duration.zero
    /// Whether it is known that the way's PINGs are answered.
    private var isAnswering: Bool
    /// The silence before a PING on later connections, once the peer has complained.
    private var nextInterval: Duration?

    /// A connection of the route is about to be made.
    package init(_ route: Route, _ watch: WayWatch) {
        self.route = route
        self.watch = watch
        lessons = watch.lessons(for: route)
        isAnswering = lessons.pingTime != nil
        gauge = lessons.silenceLimit.map { SilenceGauge($0.silence, now: .now()) }
    }

    /// The settings of this connection.
    func settings(_ tuning: EngineTuning.HTTP2) -> EngineTuning.HTTP2 {
        lessons.applied(to: tuning)
    }

    // MARK: Silence

    /// Bytes may have left.
    mutating func sent(on wire: Wire) {
        gauge?.sent(wire.sentCount, now: .now())
    }

    /// Bytes have come.
    mutating func received(on wire: Wire) {
        guard let silence = gauge?.received(sent: wire.sentCount, now: .now()) else { return }
        watch.learn { [route] memory, _ in memory.outlived(silence, on: route) }
    }

    /// A PING is about to leave.
    mutating func pings(on wire: Wire) {
        silenceBeforePing = wire.silence.map { min($0.sinceReceived, $0.sinceSent) } ?? .zero
    }

    /// How long PINGs take there; `nil` while none was acknowledged.
    var pingTime: Duration? { lessons.pingTime }

    /// A PING was acknowledged, after this time where it was sent because of a silence.
    mutating func pingAcknowledged(after time: Duration?) {
        outlived = max(outlived, silenceBeforePing)
        // PINGs for other ends are many; one shows that they are answered.
        guard time != nil || !isAnswering else { return }
        isAnswering = true
        watch.learn { [route] memory, now in
            memory.pingAcknowledged(on: route, after: time, now: now)
        }
    }

    // MARK: The end

    /// The peer has sent a GOAWAY.
    mutating func goAwayReceived(code: UInt32, debug: String) {
        guard code == HTTP2ErrorCode.enhanceYourCalm, debug.utf8.elementsEqual(Self.tooManyPings),
            let interval = lessons.pingAfter ?? lessons.idlePingAfter, nextInterval == nil
        else { return }
        nextInterval = watch.learn { [route] memory, now in
            memory.pingsWereTooMany(on: route, after: interval, now: now)
        }
    }

    /// The connection has ended in this way while it carried an exchange.
    ///
    /// A silence that it had outlived before was not why.
    mutating func ended(_ end: inout ConnectionEnd?) {
        guard let silence = end?.silenceOfCut, silence > outlived, !silence.isAbout(outlived) else {
            return
        }
        let limit = watch.learn { [route] memory, now in
            memory.wasCut(on: route, after: silence, now: now)
        }
        guard let limit, let limit else { return }
        end?.silenceLimit = limit.silence
        end?.silenceLimitSeen = limit.count
    }

    /// Adds to an exchange's end what the peer has said of PINGs.
    func explain(_ end: inout ConnectionEnd) {
        end.nextPingAfter = nextInterval
    }
}

extension ConnectionEnd {
    /// The silence in both directions in which the peer or the way cut the connection without a
    /// word; `nil` where they did not.
    fileprivate var silenceOfCut: Duration? {
        switch sign {
        case .fin, .reset, .tunnelEnd: break
        case .closeNotify, .tlsAlert, .streamReset, .goAway, .silence, .localAddressLost, .engine:
            return nil
        }
        return sinceGoAway == nil ? connectionSilence : nil
    }
}
