package import ApusCore
import ApusHTTP2

/// The way of one connection: what the engine knows of it, and what this connection adds to that.
package struct ConnectionWay: Sendable {
    /// What gRPC servers say when PINGs come more often than they allow.
    private static let tooManyPings = Array("too_many_pings".utf8)

    private let route: Route
    private let watch: WayWatch
    /// The silence after which this connection sends a PING; `nil` when it sends none.
    private var interval: Duration?
    /// That of later connections, once the peer has complained.
    private var nextInterval: Duration?

    package init(_ route: Route, _ watch: WayWatch) {
        self.route = route
        self.watch = watch
    }

    /// The settings of this connection.
    mutating func settings() -> EngineTuning.HTTP2 {
        let settings = watch.adapted(for: route)
        interval = settings.pingAfter ?? settings.idlePingAfter
        return settings
    }

    /// The peer has sent a GOAWAY.
    mutating func goAwayReceived(code: UInt32, debug: String) {
        guard code == HTTP2ErrorCode.enhanceYourCalm, debug.utf8.elementsEqual(Self.tooManyPings),
            let interval, nextInterval == nil
        else { return }
        nextInterval = watch.learn { [route] memory, now in
            memory.pingsWereTooMany(on: route, after: interval, now: now)
        }
    }

    /// Adds to an exchange's end what the way has to do with it.
    func explain(_ end: inout ConnectionEnd) {
        end.nextPingAfter = nextInterval
    }
}
