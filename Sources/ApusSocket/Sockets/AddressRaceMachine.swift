package import ApusCore

/// The order and the timing of connecting to one of several addresses (RFC 8305).
///
/// Families alternate; a new attempt starts when one has failed, or `attemptDelay` after the last
/// start; earlier attempts go on; the first to connect wins. Addresses may still be looked up while
/// it runs, each family by itself: IPv6 starts as soon as it is known, IPv4 waits for it as long as
/// `resolutionDelay`, and what comes later joins in. It has no clock and no socket: whoever holds
/// it does what `nextStep` says and reports what became of each attempt.
package struct AddressRaceMachine: Sendable {
    /// What is to be done now.
    package enum Step: Sendable, Hashable {
        /// Start this attempt, then ask again.
        case connect(SocketAddress, attempt: Int)
        /// Nothing until an attempt has ended, a name was answered, or this instant has come.
        case wait(until: Deadline?)
        /// The race is over: this attempt's socket is the one.
        case won(attempt: Int)
        /// The race is over: every address has failed, or there was none.
        case lost
        /// The race is over: time ran out.
        case timedOut
    }

    /// How long a race may take, and what it waits for.
    package struct Times: Sendable {
        /// Head start of an attempt before the next is started beside it (section 5).
        package var attemptDelay: Duration
        /// How long an IPv4 answer waits for the IPv6 one (section 3).
        package var resolutionDelay: Duration
        /// When answers are no longer waited for.
        package var resolveDeadline: Deadline?
        /// From the first attempt on.
        package var tcpTimeout: Duration?
        /// When everything is over.
        package var deadline: Deadline?

        package init(attemptDelay: Duration, deadline: Deadline?) {
            self.attemptDelay = attemptDelay
            self.deadline = deadline
            resolutionDelay = .zero
        }
    }

    /// How one address that was tried stands.
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
    /// The end of everything, once the first attempt has set it.
    private var deadline: Deadline?
    /// Families whose answer has not come.
    private var awaited: Set<SocketAddress.Family>
    /// Whether IPv6 goes first; else whatever family stands first.
    private let prefersIPv6: Bool
    private var untried: [SocketAddress]
    private var tried: [(address: SocketAddress, runner: Runner)] = []
    /// How many attempts are on their way.
    private var running = 0
    /// When the next attempt may start; `nil` is at once.
    private var nextStart: Deadline?
    private var winner: Int?
    /// Why the attempt that ended last has failed.
    package private(set) var lastError: SystemError?

    /// A race between addresses that are all known.
    package init(_ addresses: [SocketAddress], attemptDelay: Duration, deadline: Deadline?) {
        times = Times(attemptDelay: attemptDelay, deadline: deadline)
        self.deadline = deadline
        untried = addresses
        awaited = []
        prefersIPv6 = false
    }

    /// A race whose addresses are still being looked up: `answered` brings them.
    package init(awaiting families: Set<SocketAddress.Family>, _ times: Times) {
        self.times = times
        deadline = times.deadline
        untried = []
        awaited = families
        prefersIPv6 = true
    }

    /// A lookup has ended; it gave nothing when it failed.
    package mutating func answered(
        _ family: SocketAddress.Family, _ addresses: [SocketAddress], now: Deadline
    ) {
        guard awaited.remove(family) != nil else { return }
        if tried.isEmpty, untried.isEmpty, !addresses.isEmpty {
            nextStart = now.advanced(by: times.resolutionDelay)
        }
        untried += addresses
        // Only IPv6 is waited for, and not when it is here or will not come.
        let isWaiting = awaited.contains(.ipv6) && !untried.contains { $0.family == .ipv6 }
        if tried.isEmpty, !isWaiting { nextStart = nil }
    }

    package mutating func nextStep(now: Deadline) -> Step {
        if let winner { return .won(attempt: winner) }
        if let limit = times.resolveDeadline, limit <= now, !awaited.isEmpty {
            // What was not answered by now is not waited for.
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

    /// The address whose turn it is: of another family than the last one, if there is one
    /// (section 4).
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

    /// An attempt has failed: the next one need not wait.
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

    /// Everything that was tried and what became of it, in the order of starting.
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
