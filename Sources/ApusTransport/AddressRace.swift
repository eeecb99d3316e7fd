import ApusCore
import ApusSocket

/// Connects to the first address that answers, trying them one behind the other with a head start.
///
/// RFC 8305, section 5: families alternate, a new attempt starts when the last one failed or after
/// `attemptDelay`, earlier attempts go on, the first to connect wins and the others are closed.
///
/// Unchecked, because it is confined to its loop.
final class AddressRace: @unchecked Sendable {
    /// One socket on its way; hears of its own readiness.
    private final class Runner: ReadinessHandler {
        let address: SocketAddress
        let race: AddressRace
        var socket: StreamSocket?
        var registration: UInt64 = 0

        init(_ socket: StreamSocket, to address: SocketAddress, in race: AddressRace) {
            self.socket = socket
            self.address = address
            self.race = race
        }

        func readinessChanged(_ readiness: Readiness) {
            guard !readiness.isDisjoint(with: [.writable, .hangUp]) else { return }
            race.finished(self)
        }

        /// Takes the socket out of the loop; it is closed unless the caller keeps it.
        func release(from loop: EventLoop) -> StreamSocket? {
            guard let socket else { return nil }
            loop.deregister(socket.descriptor, token: registration)
            self.socket = nil
            return socket
        }
    }

    private let loop: EventLoop
    private let tuning: EngineTuning.Dial
    private let suspension: LoopSuspension
    private var remaining: ArraySlice<SocketAddress>
    private var runners: [Runner] = []
    private var winner: Wire?
    private(set) var attempts: [TransportError.Attempt] = []
    private(set) var lastError: SystemError?

    init(_ addresses: [SocketAddress], tuning: EngineTuning.Dial, on loop: EventLoop) {
        self.loop = loop
        self.tuning = tuning
        suspension = LoopSuspension(on: loop)
        remaining = AddressRace.interleaved(addresses)[...]
    }

    /// How the race ended; `.lost` when every address refused.
    enum Outcome {
        case won(Wire)
        case lost
        case deadlineReached
        case cancelled
    }

    /// Runs the race on the loop.
    func run(until deadline: Deadline?) async -> Outcome {
        defer { for runner in runners { _ = runner.release(from: loop) } }
        while true {
            if let winner { return .won(winner) }
            if runners.isEmpty, remaining.isEmpty { return .lost }
            let next: Deadline?
            if let address = remaining.popFirst() {
                start(address)
                if winner != nil || runners.isEmpty { continue }
                next = remaining.isEmpty ? nil : Deadline.now().advanced(by: tuning.attemptDelay)
            } else {
                next = nil
            }
            let limit = [deadline, next].compactMap { $0 }.min()
            switch await suspension.wait(until: limit) {
            case .signalled: continue
            case .cancelled: return .cancelled
            case .deadlineReached:
                if let deadline, deadline <= Deadline.now() { return timedOut() }
            }
        }
    }

    /// The first family of the list first, then one of each in turn (RFC 8305, section 4).
    static func interleaved(_ addresses: [SocketAddress]) -> [SocketAddress] {
        guard let first = addresses.first?.family else { return [] }
        let preferred = addresses.filter { $0.family == first }
        let others = addresses.filter { $0.family != first }
        var result: [SocketAddress] = []
        for index in 0..<max(preferred.count, others.count) {
            if index < preferred.count { result.append(preferred[index]) }
            if index < others.count { result.append(others[index]) }
        }
        return result
    }

    private func start(_ address: SocketAddress) {
        do throws(SystemError) {
            let socket = try StreamSocket(for: address, tuning: tuning)
            if try socket.startConnecting(to: address) {
                winner = Wire(socket, to: address, on: loop)
                return
            }
            let runner = Runner(socket, to: address, in: self)
            runner.registration = try loop.register(socket.descriptor, handler: runner)
            runners.append(runner)
        } catch {
            failed(address, error)
        }
    }

    private func finished(_ runner: Runner) {
        runners.removeAll { $0 === runner }
        guard let socket = runner.release(from: loop) else { return }
        do throws(SystemError) {
            try socket.finishConnecting()
            if winner == nil { winner = Wire(socket, to: runner.address, on: loop) }
        } catch {
            failed(runner.address, error)
        }
        suspension.signal()
    }

    private func failed(_ address: SocketAddress, _ error: SystemError) {
        attempts.append(.init(address: address.description, outcome: error.description))
        lastError = error
    }

    private func timedOut() -> Outcome {
        for runner in runners {
            attempts.append(
                .init(address: runner.address.description, outcome: "no answer in time"))
        }
        return .deadlineReached
    }
}
