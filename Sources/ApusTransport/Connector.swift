import ApusCore
import ApusHTTP2
import ApusPool
import ApusSocket

/// The life of a connection, from a route to something that exchanges can run on.
///
/// One actor per dial, on the loop that the connection will live on. Each await has a deadline that
/// names its phase, and ends when the dial is cancelled.
actor Connector {
    /// How long a loop has for closing a connection before its descriptor is counted on.
    static let evictionTime = Duration.milliseconds(10)

    let id: ConnectionID
    let route: Route
    let dialer: Dialer
    let loop: EventLoop
    let started = Deadline.now()
    let suspension: LoopSuspension
    /// Hears of the wire's readiness until the connection takes it over.
    private let driver: WireDriver
    var attempts: [TransportError.Attempt] = []
    /// When it was known where to connect.
    var resolvedAfter = Duration.zero
    /// How the proxies' 407s were answered.
    var logins = ProxyLogins()
    /// What `socks5` proxies are asked for.
    var socksAddresses = SOCKSAddresses()
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(_ id: ConnectionID, _ route: Route, _ dialer: Dialer, on loop: EventLoop) {
        self.id = id
        self.route = route
        self.dialer = dialer
        self.loop = loop
        suspension = LoopSuspension(on: loop)
        driver = WireDriver(suspension)
    }

    /// Resolve, race, proxy, TLS, ALPN: what comes out speaks HTTP, unless raw bytes are wanted.
    func connect(for keeper: any ConnectionKeeper) async throws(TransportError)
        -> any LiveConnection
    {
        var facts = ConnectionFacts(protocolName: "http/1.1", remoteAddress: "", tls: nil)
        while true {
            let wire = try await reach(keeper)
            facts.resolved = resolvedAfter
            do throws(TransportError) {
                let connection = try await rise(over: wire, &facts, keeper)
                // What proxies gave with their answers; nothing may ever be read behind them.
                dialer.keepSessions(from: wire)
                return connection
            } catch {
                dialer.keepSessions(from: wire)
                wire.close()
                // A proxy that asked who we are and then closed is answered on another connection,
                // and one that could not reach an address is asked for the next one on another.
                let isAsked = logins.takeRedial()
                guard socksAddresses.takeRedial() || isAsked else { throw error }
            }
        }
    }

    /// From TCP to HTTP: proxies, TLS, ALPN.
    private func rise(
        over wire: Wire, _ facts: inout ConnectionFacts, _ keeper: any ConnectionKeeper
    ) async throws(TransportError) -> any LiveConnection {
        wire.owner = driver
        facts.remoteAddress = wire.remoteAddress.description
        facts.connected = Deadline.now().since(started)
        tell { [address = facts.remoteAddress] in .connected(connection: $0, address: address) }
        for index in route.proxies.indices { try await pass(index, over: wire) }
        if route.origin.scheme == .https, route.purpose != .rawBytes {
            let settings = route.tls
            let name = settings.serverName ?? route.origin.host
            let tls = try await secure(
                wire, to: name, settings, alpn: route.versions.alpnNames,
                at: .origin(route))
            let agreed = ConnectionFacts.TLSFacts(tls)
            facts.tls = agreed
            tell { .secured(connection: $0, tls: agreed) }
        }
        facts.secured = Deadline.now().since(started)
        guard route.purpose != .rawBytes else {
            facts.protocolName = "raw"
            let connection = RawConnection(id: id, wire: wire, facts: facts, keeper: keeper)
            wire.owner = connection
            return connection
        }
        return try establish(over: wire, facts, keeper)
    }

    // MARK: The steps

    /// Tells the observer, if there is one, of a step of this dial.
    func tell(_ event: (UInt64) -> EngineEvent) {
        if let observer = dialer.observer { observer.observe(event(id.rawValue)) }
    }

    /// Who is connected to: the nearest proxy where there is one.
    var firstHop: TransportError.Hop { route.proxies.isEmpty ? .origin : .proxy }

    /// Decides by ALPN what is spoken (in the clear, by what was asked for) and makes the
    /// connection.
    private func establish(
        over wire: Wire, _ facts: ConnectionFacts, _ keeper: any ConnectionKeeper
    ) throws(TransportError) -> any LiveConnection {
        var facts = facts
        let isHTTP2 = facts.tls.map { $0.alpn == "h2" } ?? (route.versions == .http2Only)
        guard isHTTP2 || route.versions != .http2Only else {
            throw failure(
                .tlsHandshake, .tls, "the server chose no h2 by ALPN, and nothing else is allowed")
        }
        guard isHTTP2 else {
            let connection = HTTP1LiveConnection(
                id: id, wire: wire, facts: facts, tuning: dialer.tuning, keeper: keeper)
            connection.assumeIsolated { $0.attach() }
            return connection
        }
        facts.protocolName = "h2"
        do throws(HTTP2Error) {
            let connection = try HTTP2LiveConnection(
                id: id, wire: wire, facts: facts, tuning: dialer.tuning,
                budget: dialer.windowBudget, keeper: keeper)
            connection.assumeIsolated { $0.attach() }
            return connection
        } catch {
            throw failure(TransportError.Kind(error), .connect, error.message)
        }
    }

    // MARK: Waiting and failing

    /// The phase's own budget, within what is left of the whole connect budget.
    func deadline(_ timeout: Duration?) -> Deadline? {
        let own = timeout.map { Deadline.now().advanced(by: $0) }
        let whole = dialer.tuning.dial.connectTimeout.map { started.advanced(by: $0) }
        return [own, whole].compactMap { $0 }.min()
    }

    func wait(
        _ phase: TransportError.Phase, until limit: Deadline?, _ message: String,
        _ hop: TransportError.Hop = .origin
    ) async throws(TransportError) {
        await dialer.hooks.beforeWait?(phase)
        switch await suspension.wait(until: limit) {
        case .signalled: return
        case .deadlineReached: throw failure(.timeout, phase, message, hop: hop)
        case .cancelled: throw failure(.cancelled, phase, "the dial was cancelled", hop: hop)
        }
    }

    /// A handshake throws `WireError`; a timeout or cancellation is kept aside for `secure`.
    var pendingFailure: TransportError?

    func failure(
        _ kind: TransportError.Kind, _ phase: TransportError.Phase, _ message: String,
        hop: TransportError.Hop = .origin
    ) -> TransportError {
        var error = TransportError(kind, phase: phase, message: message, replay: .notSent)
        error.hop = hop
        error.route = route
        error.attempts = attempts
        return error
    }
}

/// Something that another thread hands over to a dial.
///
/// Unchecked, because it is touched on the dial's loop only.
final class Arrival<Value: Sendable>: @unchecked Sendable {
    var value: Value?
}

/// Owns a wire while it is being made: readiness ends whatever the connector waits for.
final class WireDriver: WireOwner {
    private let suspension: LoopSuspension

    init(_ suspension: LoopSuspension) {
        self.suspension = suspension
    }

    func wireReadable() { suspension.signal() }
    func wireWritable() { suspension.signal() }
}
