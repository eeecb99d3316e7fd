import ApusCore
import ApusPool
import ApusSocket
import Glibc

// The race of addresses, and what ends it.
extension Connector {
    /// Connects; when descriptors have run out, once more after an idle connection was given up.
    func race(
        _ addresses: [SocketAddress], _ keeper: any ConnectionKeeper
    ) async throws(TransportError) -> Wire {
        let limit = deadline(dialer.tuning.dial.tcpTimeout)
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
            machine, tuning: dialer.tuning.dial, hooks: dialer.hooks, on: loop)
        let outcome = await race.run()
        return try finish(race, outcome)
    }

    /// Looks both families up and connects as soon as RFC 8305 (section 3) lets it.
    func raceWhileResolving(
        _ host: String, _ port: UInt16, _ keeper: any ConnectionKeeper
    ) async throws(TransportError) -> Wire {
        let tuning = dialer.tuning.dial
        var times = AddressRaceMachine.Times(
            attemptDelay: tuning.attemptDelay, deadline: deadline(nil))
        times.resolutionDelay = tuning.resolutionDelay ?? .zero
        times.resolveDeadline = deadline(tuning.resolveTimeout)
        times.tcpTimeout = tuning.tcpTimeout
        let families: [SocketAddress.Family] = [.ipv6, .ipv4]
        let race = AddressRace(
            AddressRaceMachine(awaiting: Set(families), times), tuning: tuning,
            hooks: dialer.hooks, on: loop)
        let (resolver, observer, id, loop) = (dialer.resolver, dialer.observer, id, loop)
        let scope = route.isolation
        // On the loop: a busy pool of Swift's own threads must not hold up a dial.
        let lookups = families.map { family in
            Task(executorPreference: loop) {
                let answer: Result<[SocketAddress], ResolveError>
                do throws(ResolveError) {
                    let found = try await resolver.resolve(
                        host: host, port: port, family: family, in: scope)
                    answer = .success(found)
                    observer?.observe(
                        .resolved(connection: id.rawValue, addresses: found.map(\.description)))
                } catch {
                    answer = .failure(error)
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
                throw failure(.timeout, .dns, "\(host) did not resolve in time", hop: firstHop)
            case .cancelled:
                throw failure(.cancelled, .dns, "the dial was cancelled", hop: firstHop)
            case .lost, .won: throw failure(race.resolveError, host, hop: firstHop)
            }
        }
        resolvedAfter = begun.since(started)
        do throws(TransportError) {
            return try finish(race, outcome)
        } catch {
            guard error.isOutOfDescriptors, keeper.evictIdle() else { throw error }
            await waitForEviction()
            return try await self.race(race.addresses, until: deadline(tuning.tcpTimeout))
        }
    }

    /// What a race came to.
    private func finish(
        _ race: AddressRace, _ outcome: AddressRace.Outcome
    ) throws(TransportError) -> Wire {
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
            dialer.resolver.addressesFailed(host: route.firstHost)
            let error = race.lastError ?? SystemError(errno: EHOSTUNREACH, call: "connect")
            let kind = TransportError.Kind(error)
            let isResource = if case .resource = kind { true } else { false }
            throw failure(
                isResource ? kind : .connect(errno: error.errno), .connect, error.description,
                hop: firstHop)
        case .deadlineReached:
            dialer.resolver.addressesFailed(host: route.firstHost)
            throw failure(.timeout, .connect, "no address answered in time", hop: firstHop)
        case .cancelled:
            throw failure(.cancelled, .connect, "the dial was cancelled", hop: firstHop)
        }
    }

    /// An idle connection may live on another loop, which needs a moment to close it.
    private func waitForEviction() async {
        guard dialer.hasSeveralLoops else { return }
        let moment = Deadline.now().advanced(by: Connector.evictionTime)
        _ = await suspension.wait(until: moment)
    }
}

extension TransportError {
    fileprivate var isOutOfDescriptors: Bool {
        kind == .resource(errno: EMFILE) || kind == .resource(errno: ENFILE)
    }
}
