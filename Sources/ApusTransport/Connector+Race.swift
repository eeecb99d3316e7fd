import ApusCore
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

    func race(
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
}
