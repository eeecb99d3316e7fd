import ApusConnection
import ApusCore
import ApusSocket
import ApusWire

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// From a host to a connected socket: names, the race of addresses, and what ends it.
///
/// Confined to the dial's loop.
final class SocketDial {
    /// How long a loop has for closing a connection before its descriptor is counted on.
    private static let evictionTime = Duration.milliseconds(10)

    private let dial: DialContext
    /// When it was known where to connect, from the dial's start.
    private(set) var resolvedAfter = Duration.zero

    init(_ dial: DialContext) {
        self.dial = dial
    }

    private var route: Route { dial.route }
    private var dialer: Dialer { dial.dialer }

    /// Finds out where to connect, and connects.
    func reach(_ keeper: any ConnectionKeeper) async throws(TransportError) -> Wire {
        let (host, port) = (route.firstHost, route.firstPort)
        if let known = try known(host, port) {
            resolvedAfter = Deadline.now().since(dial.started)
            dial.report { .resolved(connection: $0, addresses: known.map(\.description)) }
            return try await race(known, keeper)
        }
        if dialer.resolver.splitsFamilies {
            return try await raceWhileResolving(host, port, keeper)
        }
        let addresses = try await lookUp(host, port, hop: dial.firstHop)
        resolvedAfter = Deadline.now().since(dial.started)
        dial.report { .resolved(connection: $0, addresses: addresses.map(\.description)) }
        return try await race(addresses, keeper)
    }

    /// The addresses that need no lookup; `nil` when the name is to be asked for.
    ///
    /// What the request says comes first, then the tuning's overrides, then what the name itself
    /// says.
    private func known(
        _ host: String, _ port: UInt16
    ) throws(TransportError) -> [SocketAddress]? {
        // Through a proxy it is what that proxy is asked for.
        if route.proxies.isEmpty, let target = route.connectTo {
            return [try address(of: target)]
        }
        if let override = try override(host, port) { return override }
        return SpecialNames.addresses(of: host, port: port)
    }

    private func override(
        _ host: String, _ port: UInt16
    ) throws(TransportError) -> [SocketAddress]? {
        let all = dialer.tuning.dial.overrides
        guard !all.isEmpty,
            let override = all.first(where: { $0.covers(host, port) })
        else { return nil }
        var addresses: [SocketAddress] = []
        for target in override.targets { addresses.append(try address(of: target)) }
        return addresses
    }

    private func address(of target: ConnectTarget) throws(TransportError) -> SocketAddress {
        switch target {
        case .unixSocket(let path):
            guard let address = SocketAddress(unixPath: path) else {
                throw dial.failure(
                    .connect(errno: ENAMETOOLONG), .connect, "the socket's path is too long",
                    hop: dial.firstHop)
            }
            return address
        case .address(let literal, let port):
            guard let address = SocketAddress(literal: literal, port: port) else {
                throw dial.failure(
                    .dns(isTemporary: false), .dns, "\(literal) is not an address",
                    hop: dial.firstHop)
            }
            return address
        }
    }

    /// The addresses of the host, which is after every proxy unless `hop` says otherwise.
    func lookUp(
        _ host: String, _ port: UInt16, hop: TransportError.Hop = .origin
    ) async throws(TransportError) -> [SocketAddress] {
        if let override = try override(host, port) { return override }
        if let special = SpecialNames.addresses(of: host, port: port) { return special }
        let (resolver, loop, scope) = (dialer.resolver, dial.loop, route.isolation)
        let limit = dial.deadline(dialer.tuning.dial.resolveTimeout)
        let answer: Result<[SocketAddress], ResolveError> = try await dial.value(
            .dns, until: limit, lateName(host), hop
        ) { give in
            // On the loop: a busy pool of Swift's own threads must not hold up a dial.
            let lookup = Task(executorPreference: loop) {
                give(await resolver.answer(host, port, nil, in: scope))
            }
            return { lookup.cancel() }
        }
        switch answer {
        case .success(let addresses) where addresses.isEmpty:
            throw dial.failure(.dns(isTemporary: false), .dns, "\(host) has no address", hop: hop)
        case .success(let addresses): return addresses
        case .failure(let error): throw failure(error, host, hop: hop)
        }
    }

    private func lateName(_ host: String) -> String {
        dial.late(
            "\(host) did not resolve", dialer.tuning.dial.resolveTimeout, "dial.resolveTimeout")
    }

    private func failure(
        _ error: ResolveError, _ host: String, hop: TransportError.Hop
    ) -> TransportError {
        let (kind, message): (TransportError.Kind, String) =
            switch error {
            case .notFound(let text): (.dns(isTemporary: false), "\(host): \(text)")
            case .temporary(let text): (.dns(isTemporary: true), "\(host): \(text)")
            case .overloaded: (.overloaded, "dial.maxPendingLookups lookups wait already")
            case .cancelled: (.cancelled, "the dial was cancelled")
            }
        return dial.failure(kind, .dns, message, hop: hop)
    }

    // MARK: The race

    /// Connects; when descriptors have run out, once more after an idle connection was given up.
    private func race(
        _ addresses: [SocketAddress], _ keeper: any ConnectionKeeper
    ) async throws(TransportError) -> Wire {
        let limit = dial.deadline(dialer.tuning.dial.tcpTimeout)
        do throws(TransportError) {
            return try await race(addresses, until: limit)
        } catch {
            guard error.isOutOfDescriptors, keeper.evictIdle() else { throw error }
            await waitForEviction()
            return try await race(addresses, until: limit)
        }
    }

    private func race(
        _ addresses: [SocketAddress], until limit: Deadline?
    ) async throws(TransportError) -> Wire {
        let machine = AddressRaceMachine(
            addresses, attemptDelay: dialer.tuning.dial.attemptDelay, deadline: limit)
        let race = AddressRace(
            machine, tuning: dialer.tuning.dial, hooks: dialer.hooks, on: dial.loop)
        let outcome = await race.run()
        return try finish(race, outcome)
    }

    /// Looks both families up and connects as soon as RFC 8305 (section 3) lets it.
    private func raceWhileResolving(
        _ host: String, _ port: UInt16, _ keeper: any ConnectionKeeper
    ) async throws(TransportError) -> Wire {
        let tuning = dialer.tuning.dial
        var times = AddressRaceMachine.Times(
            attemptDelay: tuning.attemptDelay, deadline: dial.deadline(nil))
        times.resolutionDelay = tuning.resolutionDelay ?? .zero
        times.resolveDeadline = dial.deadline(tuning.resolveTimeout)
        times.tcpTimeout = tuning.tcpTimeout
        let families: [SocketAddress.Family] = [.ipv6, .ipv4]
        let race = AddressRace(
            AddressRaceMachine(awaiting: Set(families), times), tuning: tuning,
            hooks: dialer.hooks, on: dial.loop)
        let (resolver, observer, id, loop) = (dialer.resolver, dialer.observer, dial.id, dial.loop)
        let scope = route.isolation
        // On the loop: a busy pool of Swift's own threads must not hold up a dial.
        let lookups = families.map { family in
            Task(executorPreference: loop) {
                let answer = await resolver.answer(host, port, family, in: scope)
                if let observer, case .success(let found) = answer {
                    observer.observe(
                        .resolved(connection: id.rawValue, addresses: found.map(\.description)))
                }
                loop.execute { race.answered(family, answer) }
            }
        }
        let outcome = await race.run()
        // Whatever ended the race, answers that are still to come are not wanted.
        for lookup in lookups { lookup.cancel() }
        guard let begun = race.begun else {
            switch outcome {
            case .deadlineReached:
                throw dial.failure(.timeout, .dns, lateName(host), hop: dial.firstHop)
            case .cancelled:
                throw dial.failure(.cancelled, .dns, "the dial was cancelled", hop: dial.firstHop)
            case .lost, .won: throw failure(race.resolveError, host, hop: dial.firstHop)
            }
        }
        resolvedAfter = begun.since(dial.started)
        do throws(TransportError) {
            return try finish(race, outcome)
        } catch {
            guard error.isOutOfDescriptors, keeper.evictIdle() else { throw error }
            await waitForEviction()
            return try await self.race(race.addresses, until: dial.deadline(tuning.tcpTimeout))
        }
    }

    /// What a race came to.
    private func finish(
        _ race: AddressRace, _ outcome: AddressRace.Outcome
    ) throws(TransportError) -> Wire {
        dial.raceEnded(race.attempts)
        switch outcome {
        case .won(let wire):
            do throws(SystemError) {
                try wire.register()
            } catch {
                throw dial.failure(
                    .resource(errno: error.errno), .connect, error.description, hop: dial.firstHop)
            }
            return wire
        case .lost:
            dialer.resolver.addressesFailed(host: route.firstHost)
            let error = race.lastError ?? SystemError(errno: EHOSTUNREACH, call: "connect")
            let kind = TransportError.Kind(error)
            let isResource = if case .resource = kind { true } else { false }
            throw dial.failure(
                isResource ? kind : .connect(errno: error.errno), .connect, error.description,
                hop: dial.firstHop)
        case .deadlineReached:
            dialer.resolver.addressesFailed(host: route.firstHost)
            let message = dial.late(
                "no address answered", dialer.tuning.dial.tcpTimeout, "dial.tcpTimeout")
            throw dial.failure(.timeout, .connect, message, hop: dial.firstHop)
        case .cancelled:
            throw dial.failure(.cancelled, .connect, "the dial was cancelled", hop: dial.firstHop)
        }
    }

    /// An idle connection may live on another loop, which needs a moment to close it.
    private func waitForEviction() async {
        guard dialer.hasSeveralLoops else { return }
        await dial.pause(Self.evictionTime)
    }
}

extension Resolver {
    /// The addresses of a host, or why there are none.
    fileprivate func answer(
        _ host: String, _ port: UInt16, _ family: SocketAddress.Family?, in scope: IsolationScope?
    ) async -> Result<[SocketAddress], ResolveError> {
        do throws(ResolveError) {
            return .success(
                try await resolve(host: host, port: port, family: family, in: scope))
        } catch {
            return .failure(error)
        }
    }
}

extension TransportError {
    fileprivate var isOutOfDescriptors: Bool {
        kind == .resource(errno: EMFILE) || kind == .resource(errno: ENFILE)
    }
}
