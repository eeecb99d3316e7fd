import ApusCore
import ApusDial
import ApusPool
import ApusSocket

/// Looks the names of connected hosts up again, and retires connections to addresses that they no
/// longer have.
///
/// A name that cannot be looked up changes nothing, nor does one whose lookup takes longer than any
/// dial would wait for it. It ends with the engine, whose pool it does not keep alive.
final class AddressWatch: Sendable {
    private let interval: Duration
    private let lookupTime: Duration
    private let overrides: [EngineTuning.Dial.Override]
    private let resolver: any Resolver
    private let loop: EventLoop
    private weak let pool: ConnectionPool?

    /// A name to look up.
    private struct Name: Hashable {
        let host: ExactText
        let port: UInt16
    }

    init(
        every interval: Duration, over pool: ConnectionPool, _ dialer: Dialer, on loop: EventLoop
    ) {
        self.interval = interval
        lookupTime = dialer.tuning.dial.resolveTimeout ?? .seconds(30)
        overrides = dialer.tuning.dial.overrides
        self.pool = pool
        resolver = dialer.resolver
        self.loop = loop
    }

    /// Has the first check made one interval from now, and one after the other from then on.
    func start() {
        loop.execute { [weak self] in
            guard let self else { return }
            let next = Deadline.now().advanced(by: interval)
            _ = loop.schedule(at: next) { [weak self] in self?.check() }
        }
    }

    private func check() {
        guard let pool else { return }
        let connections = standing(in: pool)
        // One after the other: no caller waits for the answers.
        Task(executorPreference: loop) { [weak self, weak pool] in
            for (name, entries) in connections {
                guard let addresses = await self?.lookUp(name), !addresses.isEmpty else { continue }
                let texts = Set(addresses.map(\.description))
                for (id, address) in entries where !texts.contains(address) {
                    pool?.drain(id, .addressChanged)
                }
            }
            self?.start()
        }
    }

    /// What the resolver says in time; it may be the program's own, and never answer.
    private func lookUp(_ name: Name) async -> [SocketAddress]? {
        let answer = FirstAnswer<[SocketAddress]?>()
        let lookup = Task(executorPreference: loop) { [resolver] in
            answer.give(try? await resolver.resolve(host: name.host.text, port: name.port))
        }
        loop.execute { [loop, lookupTime] in
            _ = loop.schedule(at: Deadline.now().advanced(by: lookupTime)) { answer.give(nil) }
        }
        defer { lookup.cancel() }
        return await answer.wait()
    }

    /// The connections that were made by looking up a name, under that name.
    private func standing(
        in pool: ConnectionPool
    ) -> [Name: [(id: ConnectionID, address: String)]] {
        let (snapshot, facts) = pool.snapshotWithFacts()
        var found: [Name: [(id: ConnectionID, address: String)]] = [:]
        for entry in snapshot.connections {
            let route = entry.route
            guard !route.proxies.isEmpty || route.connectTo == nil,
                let address = facts[entry.id]?.remoteAddress
            else { continue }
            let (host, port) = (route.firstHost, route.firstPort)
            // What needs no lookup cannot change.
            guard SpecialNames.addresses(of: host, port: port) == nil,
                !overrides.contains(where: { $0.covers(host, port) })
            else { continue }
            found[Name(host: ExactText(host), port: port), default: []].append((entry.id, address))
        }
        return found
    }
}
