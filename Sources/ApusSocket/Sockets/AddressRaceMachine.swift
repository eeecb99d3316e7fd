package import ApusCore

/// The order and the timing of connecting to one of several addresses (RFC 8305).
///
/// Families alternate; a new attempt starts when one has failed, or `attemptDelay` after the last
/// start; earlier attempts continue; the first to connect wins. Addresses may still be resolved
/// while it runs, each family separately: IPv6 starts as soon as it is known, IPv4 waits for it up
/// to `resolutionDelay`, and later addresses are added. It has no clock and no socket: its owner
/// executes `nextStep` and reports the outcome of each attempt.
package struct AddressRaceMachine: Sendable {
    /// The next step of the race.
    package enum Step: Sendable, Hashable {
        /// Start this attempt, then ask for the next step.
        case connect(SocketAddress, attempt: Int)
        /// Wait until an attempt ends, a lookup is answered, or this instant is reached.
        case wait(until: Deadline?)
        /// The race is over: this attempt has won.
        case won(attempt: Int)
        /// The race is over: every address failed, or there was none.
        case lost
        /// The race is over: its deadline passed.
        case timedOut
    }

    /// The timing of a race.
    package struct Times: Sendable {
        /// The head start of an attempt before the next one starts in parallel (section 5).
        package var attemptDelay: Duration
        /// How long IPv4 addresses wait for IPv6 ones (section 3).
        package var resolutionDelay: Duration
        /// The instant at which the race stops waiting for lookups.
        package var resolveDeadline: Deadline?
        /// The time limit from the first attempt on.
        package var tcpTimeout: Duration?
        /// The end of the whole race.
        package var deadline: Deadline?

        package init(attemptDelay: Duration, deadline: Deadline?) {
            self.attemptDelay = attemptDelay
            self.deadline = deadline
            resolutionDelay = .zero
        }
    }

    /// The state of one attempt.
    private enum Runner {
        /// It was started.
        ///
        /// Exits: `.failed`, `.connected`.
        case connecting
        /// No exits.
        case failed(SystemError)
        /// The first to connect.
        ///
        /// No exits.
        case connected
    }

    private let times: Times
    /// The end of the race, set by the first attempt.
    private var deadline: Deadline?
    /// Families whose lookup has not been answered.
    private var awaited: Set<SocketAddress.Family>
    /// Whether IPv6 goes first; otherwise the family of the first address does.
    private let prefersIPv6: Bool
    private var untried: [SocketAddress]
    private var tried: [(address: SocketAddress, runner: Runner)] = []
    /// The number of attempts in progress.
    private var running = 0
    /// The instant at which the next attempt may start; `nil` means at once.
    private var nextStart: Deadline?
    private var winner: Int?
    /// The error of the last failed attempt.
    package private(set) var lastError: SystemError?

    /// Creates a race between known addresses.
    package init(_ addresses: [SocketAddress], attemptDelay: Duration, deadline: Deadline?) {
        times = Times(attemptDelay: attemptDelay, deadline: deadline)
        self.deadline = deadline
        untried = addresses
        awaited = []
        prefersIPv6 = false
    }

    /// Creates a race whose addresses are still being resolved; `answered` adds them.
    package init(awaiting families: Set<SocketAddress.Family>, _ times: Times) {
        self.times = times
        deadline = times.deadline
        untried = []
        awaited = families
        prefersIPv6 = true
    }

    /// A lookup has ended; a failed one has no addresses.
    package mutating func answered(
        _ family: SocketAddress.Family, _ addresses: [SocketAddress], now: Deadline
    ) {
        guard awaited.remove(family) != nil else { return }
        if tried.isEmpty, untried.isEmpty, !addresses.isEmpty {
            nextStart = now.advanced(by: times.resolutionDelay)
        }
        untried += addresses
        // Only IPv6 is waited for, and not when it was answered.
        let isWaiting = awaited.contains(.ipv6) && !untried.contains { $0.family == .ipv6 }
        if tried.isEmpty, !isWaiting { nextStart = nil }
    }

    package mutating func nextStep(now: Deadline) -> Step {
        if let winner { return .won(attempt: winner) }
        if let limit = times.resolveDeadline, limit <= now, !awaited.isEmpty {
            // Unanswered lookups are not waited for any more.
            awaited = []
            if tried.isEmpty, untried.isEmpty { return .timedOut }
            if tried.isEmpty { nextStart = nil }
        }
        if let deadline, deadline <= now, running > 0 || !untried.isEmpty || !awaited.isEmpty {
            return .timedOut
        }
        guard let index = nextIndex else {
            if running > 0 { return .wait(until: deadline) }
            if awaited.isEmpty { return .lost }
            return .wait(until: AddressRaceMachine.earlier(deadline, times.resolveDeadline))
        }
        if let nextStart, now < nextStart {
            return .wait(until: AddressRaceMachine.earlier(deadline, nextStart))
        }
        return start(index, now)
    }

    private mutating func start(_ index: Int, _ now: Deadline) -> Step {
        if tried.isEmpty, let timeout = times.tcpTimeout {
            deadline = AddressRaceMachine.earlier(deadline, now.advanced(by: timeout))
        }
        let address = untried.remove(at: index)
        tried.append((address, .connecting))
        running += 1
        nextStart = now.advanced(by: times.attemptDelay)
        return .connect(address, attempt: tried.count - 1)
    }

    /// The next address to try: of another family than the last one, if there is one (section 4).
    private var nextIndex: Int? {
        guard !untried.isEmpty else { return nil }
        guard let last = tried.last?.address.family else {
            return prefersIPv6 ? untried.firstIndex { $0.family == .ipv6 } ?? 0 : 0
        }
        return untried.firstIndex { $0.family != last } ?? 0
    }

    private static func earlier(_ left: Deadline?, _ right: Deadline?) -> Deadline? {
        guard let left, let right else { return left ?? right }
        return min(left, right)
    }

    /// An attempt has connected; only the first one wins.
    package mutating func connected(_ attempt: Int) {
        guard case .connecting = tried[attempt].runner, winner == nil else { return }
        running -= 1
        tried[attempt].runner = .connected
        winner = attempt
    }

    /// An attempt has failed: the next one starts at once.
    package mutating func failed(_ attempt: Int, _ error: SystemError) {
        guard case .connecting = tried[attempt].runner else { return }
        running -= 1
        tried[attempt].runner = .failed(error)
        lastError = error
        nextStart = nil
    }

    /// Whether an attempt was started.
    package var hasBegun: Bool { !tried.isEmpty }

    /// Every address that is known, tried or not.
    package var addresses: [SocketAddress] { tried.map(\.address) + untried }

    /// Every attempt and its outcome, in order of starting.
    package var attempts: [TransportError.Attempt] {
        tried.map { address, runner in
            let outcome =
                switch runner {
                case .connecting: winner == nil ? "no answer in time" : "was slower"
                case .failed(let error): error.description
                case .connected: "connected"
                }
            return TransportError.Attempt(address: address.description, outcome: outcome)
        }
    }
}
