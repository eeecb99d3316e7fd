import ApusConnection
import ApusCore
import ApusSocket
import ApusWire

/// Connects to the first address that answers: the sockets of an `AddressRaceMachine`.
///
/// Unchecked, because it is confined to its loop.
final class AddressRace: @unchecked Sendable {
    /// One socket on its way; hears of its own readiness.
    private final class Runner: ReadinessHandler {
        let address: SocketAddress
        let attempt: Int
        let race: AddressRace
        var socket: StreamSocket?
        var registration: UInt64 = 0

        init(_ socket: StreamSocket, to address: SocketAddress, _ attempt: Int, _ race: AddressRace)
        {
            self.socket = socket
            self.address = address
            self.attempt = attempt
            self.race = race
        }

        func readinessChanged(_ readiness: Readiness) {
            guard readiness.isWritable || readiness.isHungUp else { return }
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
    private let hooks: DialHooks
    private let suspension: LoopSuspension
    private var machine: AddressRaceMachine
    private var runners: [Runner] = []
    private var winner: Wire?
    private var failures: [ResolveError] = []
    /// When the first attempt was started; `nil` when none was, and it is the name that failed.
    private(set) var begun: Deadline?

    init(
        _ machine: AddressRaceMachine, tuning: EngineTuning.Dial, hooks: DialHooks,
        on loop: EventLoop
    ) {
        self.loop = loop
        self.tuning = tuning
        self.hooks = hooks
        self.machine = machine
        suspension = LoopSuspension(on: loop)
    }

    /// A family's lookup has ended; called on the loop.
    func answered(
        _ family: SocketAddress.Family, _ answer: Result<[SocketAddress], ResolveError>
    ) {
        var addresses: [SocketAddress] = []
        switch answer {
        case .success(let found): addresses = found
        case .failure(let error): failures.append(error)
        }
        machine.answered(family, addresses, now: .now())
        suspension.signal()
    }

    /// Why no address came, when none did.
    ///
    /// A name is known not to exist only when no lookup says anything else.
    var resolveError: ResolveError {
        failures.first { if case .notFound = $0 { false } else { true } } ?? failures.first
            ?? .notFound(message: "no address")
    }

    var addresses: [SocketAddress] { machine.addresses }
    var attempts: [TransportError.Attempt] { machine.attempts }
    var lastError: SystemError? { machine.lastError }

    /// How the race ended; `.lost` when every address refused.
    enum Outcome {
        case won(Wire)
        case lost
        case deadlineReached
        case cancelled
    }

    /// Runs the race on the loop; every socket but the winner is closed at its end.
    func run() async -> Outcome {
        // A runner holds its race: both would stay for ever.
        defer {
            for runner in runners { _ = runner.release(from: loop) }
            runners = []
        }
        while true {
            switch machine.nextStep(now: .now()) {
            case .connect(let address, let attempt): start(attempt, to: address)
            case .won:
                guard let winner else { return .lost }
                return .won(winner)
            case .lost: return .lost
            case .timedOut: return .deadlineReached
            case .wait(let deadline):
                await hooks.beforeWait?(machine.hasBegun ? .connect : .dns)
                if case .cancelled = await suspension.wait(until: deadline) { return .cancelled }
            }
        }
    }

    private func start(_ attempt: Int, to address: SocketAddress) {
        if begun == nil { begun = .now() }
        do throws(SystemError) {
            if let error = hooks.openFailure?(address) { throw error }
            let socket = try StreamSocket(for: address, tuning: tuning)
            if try socket.startConnecting(to: address) {
                return connected(attempt, socket, address)
            }
            let runner = Runner(socket, to: address, attempt, self)
            runner.registration = try loop.register(socket.descriptor, handler: runner)
            runners.append(runner)
        } catch {
            machine.failed(attempt, error)
        }
    }

    private func finished(_ runner: Runner) {
        runners.removeAll { $0 === runner }
        guard let socket = runner.release(from: loop) else { return }
        do throws(SystemError) {
            try socket.finishConnecting()
            connected(runner.attempt, socket, runner.address)
        } catch {
            machine.failed(runner.attempt, error)
        }
        suspension.signal()
    }

    /// Keeps the first socket; a second one is closed by being let go.
    private func connected(_ attempt: Int, _ socket: StreamSocket, _ address: SocketAddress) {
        machine.connected(attempt)
        if winner == nil { winner = Wire(socket, to: address, on: loop) }
    }
}
