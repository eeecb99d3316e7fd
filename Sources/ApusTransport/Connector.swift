import ApusCore
import ApusHTTP2
import ApusPool
import ApusSocket
import ApusTLS
import ApusTunnel
import Glibc

/// The life of a connection, from a route to something that exchanges can run on.
///
/// One actor per dial, on the loop that the connection will live on. Each await has a deadline that
/// names its phase, and ends when the dial is cancelled.
actor Connector {
    /// How long a loop has for closing a connection before its descriptor is counted on.
    private static let evictionTime = Duration.milliseconds(10)

    private let id: ConnectionID
    private let route: Route
    private let dialer: Dialer
    private let loop: EventLoop
    private let started = Deadline.now()
    private let suspension: LoopSuspension
    /// Hears of the wire's readiness until the connection takes it over.
    private let driver: WireDriver
    private var attempts: [TransportError.Attempt] = []
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(_ id: ConnectionID, _ route: Route, _ dialer: Dialer, on loop: EventLoop) {
        self.id = id
        self.route = route
        self.dialer = dialer
        self.loop = loop
        suspension = LoopSuspension(on: loop)
        driver = WireDriver(suspension)
    }

    /// Resolve, race, proxy, TLS, ALPN: what comes out speaks HTTP.
    func connect(for keeper: any ConnectionKeeper) async throws(TransportError)
        -> any LiveConnection
    {
        var facts = ConnectionFacts(protocolName: "http/1.1", remoteAddress: "", tls: nil)
        let addresses = try await resolve()
        facts.resolved = Deadline.now().since(started)
        let wire = try await race(addresses, keeper)
        wire.owner = driver
        do throws(TransportError) {
            facts.remoteAddress = wire.remoteAddress.description
            facts.connected = Deadline.now().since(started)
            tell { .connected(connection: $0, address: facts.remoteAddress) }
            if let proxy = route.proxy {
                try await pass(proxy, over: wire)
                if !route.isForwarded {
                    tell { .tunnelled(connection: $0, proxy: proxy.description) }
                }
            }
            if route.origin.scheme == .https {
                let settings = route.tls
                let name = settings.serverName ?? route.origin.host
                let tls = try await secure(
                    wire, to: name, settings, alpn: route.versions.alpnNames, hop: .origin)
                let agreed = ConnectionFacts.TLSFacts(tls)
                facts.tls = agreed
                tell { .secured(connection: $0, tls: agreed) }
            }
            facts.secured = Deadline.now().since(started)
            return try establish(over: wire, facts, keeper)
        } catch {
            wire.close()
            throw error
        }
    }

    // MARK: The steps

    private func resolve() async throws(TransportError) -> [SocketAddress] {
        switch route.connectTo {
        case .unixSocket(let path):
            guard let address = SocketAddress(unixPath: path) else {
                throw failure(.connect(errno: 36), .connect, "the socket's path is too long")
            }
            return [address]
        case .address(let literal, let port):
            guard let address = SocketAddress(literal: literal, port: port) else {
                throw failure(.dns(isTemporary: false), .dns, "\(literal) is no address")
            }
            return [address]
        case nil: break
        }
        let host = firstHost
        let port = route.proxy?.port ?? route.origin.port
        let addresses = try await lookUp(host, port)
        tell { .resolved(connection: $0, addresses: addresses.map(\.description)) }
        return addresses
    }

    /// Tells the observer, if there is one, of a step of this dial.
    private func tell(_ event: (UInt64) -> EngineEvent) {
        if let observer = dialer.observer { observer.observe(event(id.rawValue)) }
    }

    /// Whose name is looked up first: the proxy's where there is one.
    private var firstHost: String { route.proxy?.host ?? route.origin.host }
    /// Who is connected to: the proxy where there is one.
    private var firstHop: TransportError.Hop { route.proxy == nil ? .origin : .proxy }

    private func lookUp(_ host: String, _ port: UInt16) async throws(TransportError)
        -> [SocketAddress]
    {
        if let literal = SocketAddress(literal: host, port: port) { return [literal] }
        let resolver = dialer.resolver
        let arrival = Arrival<Result<[SocketAddress], ResolveError>>()
        // On the loop: a busy pool of Swift's own threads must not hold up a dial.
        let lookup = Task(executorPreference: loop) { [suspension, loop] in
            let answer: Result<[SocketAddress], ResolveError>
            do throws(ResolveError) {
                answer = .success(try await resolver.resolve(host: host, port: port))
            } catch {
                answer = .failure(error)
            }
            loop.execute {
                arrival.value = answer
                suspension.signal()
            }
        }
        // Whatever ends the wait, an answer that is still to come is not wanted.
        defer { lookup.cancel() }
        let limit = deadline(dialer.tuning.dial.resolveTimeout)
        while true {
            switch arrival.value {
            case .success(let addresses) where addresses.isEmpty:
                throw failure(.dns(isTemporary: false), .dns, "\(host) has no address")
            case .success(let addresses): return addresses
            case .failure(let error): throw failure(error, host)
            case nil: try await wait(.dns, until: limit, "\(host) did not resolve in time")
            }
        }
    }

    private func failure(_ error: ResolveError, _ host: String) -> TransportError {
        switch error {
        case .notFound(let text):
            failure(.dns(isTemporary: false), .dns, "\(host): \(text)")
        case .temporary(let text):
            failure(.dns(isTemporary: true), .dns, "\(host): \(text)")
        case .overloaded:
            failure(.overloaded, .dns, "dial.maxPendingLookups lookups wait already")
        case .cancelled: failure(.cancelled, .dns, "the dial was cancelled")
        }
    }

    /// Connects; when descriptors have run out, once more after an idle connection was given up.
    private func race(
        _ addresses: [SocketAddress], _ keeper: any ConnectionKeeper
    ) async throws(TransportError) -> Wire {
        let limit = deadline(dialer.tuning.dial.tcpTimeout)
        do throws(TransportError) {
            return try await race(addresses, until: limit)
        } catch {
            guard error.kind == .resource(errno: EMFILE) || error.kind == .resource(errno: ENFILE),
                keeper.evictIdle()
            else { throw error }
            if dialer.tuning.eventLoops > 1 {
                // It may live on another loop, which needs a moment to close it.
                let moment = Deadline.now().advanced(by: Connector.evictionTime)
                _ = await suspension.wait(until: moment)
            }
            return try await race(addresses, until: limit)
        }
    }

    private func race(
        _ addresses: [SocketAddress], until limit: Deadline?
    ) async throws(TransportError) -> Wire {
        let race = AddressRace(
            addresses, until: limit, tuning: dialer.tuning.dial, hooks: dialer.hooks, on: loop)
        let outcome = await race.run()
        attempts = race.attempts
        switch outcome {
        case .won(let wire):
            do throws(SystemError) {
                try wire.register()
            } catch {
                throw failure(
                    .resource(errno: error.errno), .connect, error.description, hop: firstHop)
            }
            return wire
        case .lost:
            dialer.resolver.addressesFailed(host: firstHost)
            let error = race.lastError ?? SystemError(errno: EHOSTUNREACH, call: "connect")
            let kind = TransportError.Kind(error)
            let isResource = if case .resource = kind { true } else { false }
            throw failure(
                isResource ? kind : .connect(errno: error.errno), .connect, error.description,
                hop: firstHop)
        case .deadlineReached:
            dialer.resolver.addressesFailed(host: firstHost)
            throw failure(.timeout, .connect, "no address answered in time", hop: firstHop)
        case .cancelled:
            throw failure(.cancelled, .connect, "the dial was cancelled", hop: firstHop)
        }
    }

    /// Gets through the proxy: TLS to it where it wants that, then a tunnel unless it forwards.
    private func pass(_ proxy: ProxyEndpoint, over wire: Wire) async throws(TransportError) {
        if proxy.kind == .https {
            var settings = route.tls
            settings.serverName = nil
            _ = try await secure(wire, to: proxy.host, settings, alpn: ["http/1.1"], hop: .proxy)
        }
        guard !route.isForwarded else { return }
        var handshake: TunnelHandshake
        switch proxy.kind {
        case .http, .https:
            handshake = .connect(
                to: route.origin, credentials: proxy.credentials, limits: dialer.tuning.limits)
        case .socks5, .socks5h:
            let target = try await socksTarget(proxy)
            do throws(TunnelError) {
                handshake = try .socks5(to: target, credentials: proxy.credentials)
            } catch {
                throw failure(error)
            }
        }
        try await tunnel(&handshake, over: wire)
    }

    private func tunnel(
        _ handshake: inout TunnelHandshake, over wire: Wire
    ) async throws(TransportError) {
        var output: [UInt8] = []
        do throws(TunnelError) {
            try handshake.start(output: &output)
        } catch {
            throw failure(error)
        }
        wire.send(unsafe output.span.bytes)
        let limit = deadline(dialer.tuning.dial.proxyTimeout)
        while true {
            output.removeAll()
            var progress = TunnelProgress.needsBytes
            var refusal: TunnelError?
            let outcome: Wire.ReadOutcome
            do throws(WireError) {
                outcome = try wire.read { bytes in
                    var offset = 0
                    do throws(TunnelError) {
                        guard progress == .needsBytes, refusal == nil else {
                            return wire.putBack(bytes)
                        }
                        progress = try handshake.bytesReceived(
                            bytes, offset: &offset, output: &output)
                        if progress == .established, offset < bytes.byteCount {
                            wire.putBack(bytes.extracting(droppingFirst: offset))
                        }
                    } catch {
                        refusal = error
                    }
                }
            } catch {
                // A refusal that came before the reset still says more than the reset.
                if case .refused(let answer) = handshake.streamEnded() {
                    throw failure(TunnelError.refused(answer))
                }
                throw failure(.proxyFailed, .proxy, error.explained.message, hop: .proxy)
            }
            if !output.isEmpty { wire.send(unsafe output.span.bytes) }
            if let refusal { throw failure(refusal) }
            if progress == .established { return }
            switch outcome {
            case .progress: continue
            case .end: throw failure(handshake.streamEnded())
            case .wouldBlock:
                try await wait(.proxy, until: limit, "the proxy did not answer in time", .proxy)
            }
        }
    }

    /// SOCKS5 takes an address when names are resolved here, else the name itself.
    private func socksTarget(_ proxy: ProxyEndpoint) async throws(TransportError) -> SOCKSTarget {
        let origin = route.origin
        if let literal = SocketAddress(literal: origin.host, port: origin.port) {
            return literal.socksTarget
        }
        guard proxy.kind == .socks5 else { return .name(origin.host, port: origin.port) }
        let addresses = try await lookUp(origin.host, origin.port)
        return addresses[0].socksTarget
    }

    /// One TLS handshake on top of what is there.
    private func secure(
        _ wire: Wire, to name: String, _ settings: EngineTuning.TLS, alpn: [String],
        hop: TransportError.Hop
    ) async throws(TransportError) -> TLSFacts {
        let isOrigin = hop == .origin
        let limit = deadline(dialer.tuning.dial.tlsTimeout)
        let context = try await context(settings, alpn, until: limit, hop)
        do throws(WireError) {
            let engine = try makeEngine(name, context, settings, resuming: isOrigin)
            if isOrigin { wire.sessionRoute = route }
            try wire.startHandshake(engine)
            while true {
                if wire.mayHaveInput {
                    if try wire.advanceHandshake(engine) { break }
                } else {
                    try await waitInHandshake(until: limit, hop)
                }
            }
            guard let facts = engine.facts else { throw .endInHandshake }
            return facts
        } catch {
            if let pending = takePendingFailure() { throw pending }
            let (kind, message) = error.explained
            // Whatever ends a handshake early, it is the handshake that failed.
            let isEarlyEnd = kind == .truncated || kind == .reset
            throw failure(isEarlyEnd ? .tlsHandshake : kind, .tls, message, hop: hop)
        }
    }

    /// The context for the handshake; making one takes long, so it is not done on the loop.
    private func context(
        _ settings: EngineTuning.TLS, _ alpn: [String], until limit: Deadline?,
        _ hop: TransportError.Hop
    ) async throws(TransportError) -> TLSContext {
        if let made = dialer.contexts.made(settings, alpn: alpn) { return made }
        let arrival = Arrival<TLSContextCache.Made>()
        dialer.contexts.make(settings, alpn: alpn) { [suspension, loop] made in
            loop.execute {
                arrival.value = made
                suspension.signal()
            }
        }
        while true {
            switch arrival.value {
            case .success(let context): return context
            case .failure(let error):
                throw failure(TransportError.Kind(error), .tls, error.message, hop: hop)
            case nil:
                try await wait(.tls, until: limit, "the TLS settings took too long to load", hop)
            }
        }
    }

    private func makeEngine(
        _ name: String, _ context: TLSContext, _ settings: EngineTuning.TLS, resuming: Bool
    ) throws(WireError) -> TLSEngine {
        do throws(TLSError) {
            let session = resuming && settings.resumption ? dialer.sessions.take(for: route) : nil
            return try TLSEngine(context, serverName: name, session: session)
        } catch {
            throw .tls(error)
        }
    }

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
                id: id, wire: wire, facts: facts, tuning: dialer.tuning, keeper: keeper)
            connection.assumeIsolated { $0.attach() }
            return connection
        } catch {
            throw failure(TransportError.Kind(error), .connect, error.message)
        }
    }

    // MARK: Waiting and failing

    /// The phase's own budget, within what is left of the whole connect budget.
    private func deadline(_ timeout: Duration?) -> Deadline? {
        let own = timeout.map { Deadline.now().advanced(by: $0) }
        let whole = dialer.tuning.dial.connectTimeout.map { started.advanced(by: $0) }
        return [own, whole].compactMap { $0 }.min()
    }

    private func wait(
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
    private var pendingFailure: TransportError?

    private func waitInHandshake(
        until limit: Deadline?, _ hop: TransportError.Hop
    ) async throws(WireError) {
        do throws(TransportError) {
            try await wait(.tls, until: limit, "the TLS handshake took too long", hop)
        } catch {
            pendingFailure = error
            throw .endInHandshake
        }
    }

    private func takePendingFailure() -> TransportError? {
        defer { pendingFailure = nil }
        return pendingFailure
    }

    private func failure(
        _ kind: TransportError.Kind, _ phase: TransportError.Phase, _ message: String,
        hop: TransportError.Hop = .origin
    ) -> TransportError {
        var error = TransportError(kind, phase: phase, message: message, replay: .notSent)
        error.hop = hop
        error.route = route
        error.attempts = attempts
        return error
    }

    private func failure(_ error: TunnelError) -> TransportError {
        let (kind, message) = error.explained
        var failure = failure(kind, .proxy, message, hop: .proxy)
        if case .refused(let answer) = error { failure.proxyAnswer = answer }
        return failure
    }
}

/// Something that another thread hands over to a dial.
///
/// Unchecked, because it is touched on the dial's loop only.
private final class Arrival<Value: Sendable>: @unchecked Sendable {
    var value: Value?
}

/// Owns a wire while it is being made: readiness ends whatever the connector waits for.
private final class WireDriver: WireOwner {
    private let suspension: LoopSuspension

    init(_ suspension: LoopSuspension) {
        self.suspension = suspension
    }

    func wireReadable() { suspension.signal() }
    func wireWritable() { suspension.signal() }
}
