import ApusCore
@testable import ApusDial
import ApusSocket
import ApusWire
import Glibc
import LoopFixtures
import Loopback
import Testing

/// The sockets of a race.
///
/// Times are `AddressRaceMachineTests`' part: here none comes.
@Suite(.timeLimit(.minutes(5))) struct AddressRaceTests {
    private let farAway = Deadline.now().advanced(by: .seconds(1_000_000))

    private func address(_ port: UInt16) throws -> SocketAddress {
        try #require(SocketAddress(literal: "127.0.0.1", port: port))
    }

    private func race(
        _ addresses: [SocketAddress], on loop: EventLoop,
        refusing: @escaping @Sendable (SocketAddress) -> SystemError? = { _ in nil }
    ) -> AddressRace {
        var hooks = DialHooks()
        hooks.openFailure = refusing
        let machine = AddressRaceMachine(
            addresses, attemptDelay: .seconds(1_000_000), deadline: farAway)
        return AddressRace(machine, tuning: EngineTuning.Dial(), hooks: hooks, on: loop)
    }

    /// Runs a race on its loop; the address that won, and what was tried.
    private func outcome(of race: AddressRace, on loop: EventLoop) async -> (String, [String]) {
        await Task(executorPreference: loop) {
            let outcome = await race.run()
            let attempts = race.attempts.map(\.description)
            switch outcome {
            case .won(let wire):
                defer { wire.close() }
                return ("won by \(wire.remoteAddress)", attempts)
            case .lost: return ("lost", attempts)
            case .deadlineReached: return ("deadlineReached", attempts)
            case .cancelled: return ("cancelled", attempts)
            }
        }.value
    }

    @Test func theFirstAddressThatAnswersWins() async throws {
        let peer = try ScriptedPeer(everyConnection: [.signal("accepted"), .readUntilEnd])
        defer { peer.stop() }
        try await withLoop { loop in
            let address = try address(peer.port)
            let race = race([address], on: loop)
            let (outcome, attempts) = await outcome(of: race, on: loop)
            #expect(outcome == "won by \(address)")
            #expect(attempts == ["\(address): connected"])
            #expect(race.begun != nil)
        }
        // The peer's thread accepts a little after the system.
        #expect(await peer.signal("accepted", timeout: .seconds(60)))
        #expect(peer.connectionCount == 1)
    }

    @Test func anAddressThatRefusesGivesWayToTheNext() async throws {
        let peer = try ScriptedPeer(everyConnection: [.readUntilEnd])
        defer { peer.stop() }
        try await withLoop { loop in
            let addresses = [try address(1), try address(peer.port)]
            let refused = addresses[0]
            let race = race(addresses, on: loop) {
                $0 == refused ? SystemError(errno: ECONNREFUSED, call: "connect") : nil
            }
            let (outcome, attempts) = await outcome(of: race, on: loop)
            #expect(outcome == "won by \(addresses[1])")
            #expect(attempts.count == 2)
            #expect(attempts.last == "\(addresses[1]): connected")
        }
    }

    /// The socket itself is refused, and not by the hook.
    @Test func aRaceWithoutAnAnswerIsLost() async throws {
        // Bound and never listened on, so that no other process has the port.
        let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let owner = FileDescriptor(number)
        var local = sockaddr_in()
        local.sin_family = sa_family_t(AF_INET)
        local.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &local) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, length) + getsockname(number, $0, &length)
            }
        }
        try #require(result == 0)
        let address = try address(UInt16(bigEndian: local.sin_port))
        try await withLoop { loop in
            let race = race([address], on: loop)
            let (outcome, attempts) = await outcome(of: race, on: loop)
            #expect(outcome == "lost")
            #expect(attempts.count == 1)
            #expect(race.lastError?.errno == ECONNREFUSED)
        }
        withExtendedLifetime(owner) {}
    }

    @Test func aCancelledRaceEnds() async throws {
        try await withLoop { loop in
            let machine = AddressRaceMachine(
                awaiting: [.ipv4], .init(attemptDelay: .zero, deadline: farAway))
            let race = AddressRace(
                machine, tuning: EngineTuning.Dial(), hooks: DialHooks(), on: loop)
            let task = Task(executorPreference: loop) { () -> Bool in
                if case .cancelled = await race.run() { true } else { false }
            }
            task.cancel()
            #expect(await task.value)
        }
    }

    @Test(
        "a name is known not to exist only when no lookup says anything else",
        arguments: [
            ([.notFound(message: "a"), .temporary(message: "b")], .temporary(message: "b")),
            ([.temporary(message: "a"), .notFound(message: "b")], .temporary(message: "a")),
            ([.notFound(message: "a"), .notFound(message: "b")], .notFound(message: "a")),
            ([], .notFound(message: "no address")),
        ] as [([ResolveError], ResolveError)])
    func resolveError(failures: [ResolveError], expected: ResolveError) async throws {
        try await withLoop { loop in
            let machine = AddressRaceMachine(
                awaiting: [.ipv4, .ipv6], .init(attemptDelay: .zero, deadline: farAway))
            let race = AddressRace(
                machine, tuning: EngineTuning.Dial(), hooks: DialHooks(), on: loop)
            let error = await Task(executorPreference: loop) { () -> ResolveError in
                for (family, error) in zip([.ipv6, .ipv4] as [SocketAddress.Family], failures) {
                    race.answered(family, .failure(error))
                }
                return race.resolveError
            }.value
            #expect(error == expected)
        }
    }
}
