import ApusConnection
import ApusCore
import ApusHTTP2
import ApusSocket
import ApusWire

/// The life of a connection, from a route to something that exchanges can run on.
///
/// One actor per dial, on the loop that the connection will live on. Each await has a deadline that
/// names its phase, and ends when the dial is cancelled.
actor Connector {
    private let dial: DialContext
    private let socket: SocketDial
    private let proxies: ProxyDial
    private let tls: TLSDial
    private let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(_ id: ConnectionID, _ route: Route, _ dialer: Dialer, on loop: EventLoop) {
        self.loop = loop
        dial = DialContext(id, route, dialer, on: loop)
        socket = SocketDial(dial)
        tls = TLSDial(dial)
        proxies = ProxyDial(dial, socket, tls)
    }

    private var route: Route { dial.route }
    private var dialer: Dialer { dial.dialer }

    /// Resolve, race, proxy, TLS, ALPN: what comes out speaks HTTP, unless raw bytes are wanted.
    ///
    /// The delegate has the connection when this returns.
    func connect(for delegate: any DialDelegate) async throws(TransportError)
        -> any LiveConnection
    {
        do throws(TransportError) {
            return try await tryWays(for: delegate)
        } catch {
            reportProxies(error)
            throw error
        }
    }

    /// Connects, and once more where a proxy's answer asks for another connection.
    private func tryWays(for delegate: any DialDelegate) async throws(TransportError)
        -> any LiveConnection
    {
        var facts = ConnectionFacts(protocolName: "http/1.1", remoteAddress: "", tls: nil)
        while true {
            dial.note { $0 = ProxyPassage(through: route.proxies.count) }
            let wire = try await socket.reach(delegate)
            facts.resolved = socket.resolvedAfter
            do throws(TransportError) {
                try await rise(over: wire, &facts)
                return try handOver(wire, facts, to: delegate)
            } catch {
                wire.keepSessions()
                wire.close()
                guard proxies.takeRedial() else { throw error }
            }
        }
    }

    /// From TCP to HTTP: proxies, TLS, ALPN.
    private func rise(
        over wire: Wire, _ facts: inout ConnectionFacts
    ) async throws(TransportError) {
        wire.handOver(to: dial.driver)
        facts.remoteAddress = wire.remoteAddress.description
        facts.connected = Deadline.now().since(dial.started)
        dial.report { [address = facts.remoteAddress] in
            .connected(connection: $0, address: address)
        }
        for index in route.proxies.indices { try await proxies.pass(index, over: wire) }
        if route.origin.scheme == .https, route.purpose != .rawBytes {
            let settings = route.tls
            let name = settings.serverName ?? route.origin.host
            let tls = try await self.tls.secure(
                wire, to: name, settings, alpn: route.versions.alpnNames,
                at: .origin(route))
            let agreed = ConnectionFacts.TLSFacts(tls)
            facts.tls = agreed
            dial.report { .secured(connection: $0, tls: agreed) }
        }
        facts.secured = Deadline.now().since(dial.started)
    }

    /// Makes the connection and gives it to the delegate in one turn of the loop.
    ///
    /// Nothing happens to the connection between the two: its end, or what its peer sends first,
    /// is reported for a connection that the delegate knows.
    private func handOver(
        _ wire: Wire, _ facts: ConnectionFacts, to delegate: any DialDelegate
    ) throws(TransportError) -> any LiveConnection {
        let connection = try establish(over: wire, facts, delegate)
        // Sessions that came with proxies' answers; nothing more may ever be read.
        wire.keepSessions()
        reportProxies(nil)
        delegate.dialSucceeded(connection, route)
        return connection
    }

    /// Reports what the proxies did, before the delegate hears of the dial's end.
    private func reportProxies(_ error: TransportError?) {
        guard !route.proxies.isEmpty else { return }
        dialer.proxies.ended(
            dial.id, route, since: dial.started, dial.passage.outcomes(after: error), error)
    }

    /// Decides by ALPN what is spoken (in the clear, by what was asked for), if it is HTTP, and
    /// makes the connection.
    private func establish(
        over wire: Wire, _ facts: ConnectionFacts, _ keeper: any ConnectionKeeper
    ) throws(TransportError) -> any LiveConnection {
        var facts = facts
        guard route.purpose != .rawBytes else {
            facts.protocolName = "raw"
            let connection = RawConnection(id: dial.id, wire: wire, facts: facts, keeper: keeper)
            wire.handOver(to: connection)
            return connection
        }
        let isHTTP2 = facts.tls.map { $0.alpn == "h2" } ?? (route.versions == .http2Only)
        guard isHTTP2 || route.versions != .http2Only else {
            throw dial.failure(
                .tlsHandshake, .tls, "the server chose no h2 by ALPN, and nothing else is allowed")
        }
        guard isHTTP2 else {
            let connection = HTTP1LiveConnection(
                id: dial.id, wire: wire, facts: facts, tuning: dialer.tuning,
                recent: dialer.recentFields(of: route.origin, on: dial.loop),
                way: ConnectionWay(route, dialer.ways), keeper: keeper)
            connection.assumeIsolated { $0.attach() }
            return connection
        }
        facts.protocolName = "h2"
        do throws(HTTP2Error) {
            let connection = try HTTP2LiveConnection(
                id: dial.id, wire: wire, facts: facts, tuning: dialer.tuning,
                way: ConnectionWay(route, dialer.ways), budget: dialer.windowBudget,
                keeper: keeper)
            connection.assumeIsolated { $0.attach() }
            return connection
        } catch {
            throw dial.failure(TransportError.Kind(error), .connect, error.message)
        }
    }
}
