package import ApusCore

/// The order and the timing of connecting to one of several addresses (RFC 8305).
///
/// Families alternate; a new attempt starts when one has failed, or `attemptDelay` after the last
/// start; earlier attempts go on; the first to connect wins. It has no clock and no socket: whoever
/// holds it does what `nextStep` says and reports what became of each attempt.
package struct AddressRaceMachine: Sendable {
    /// What is to be done now.
    package enum Step: Sendable, Hashable {
        /// Start this attempt, then ask again.
        case connect(SocketAddress, attempt: Int)
        /// Nothing until an attempt has ended or this instant has come.
        case wait(until: Deadline?)
        /// The race is over: this attempt's socket is the one.
        case won(attempt: Int)
        /// The race is over: every address has failed.
        case lost
        /// The race is over: time ran out.
        case timedOut
    }

    /// How one address stands.
    private enum Runner {
        /// Its turn has not come.
        ///
        /// Exits: `.connecting`.
        case untried
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

    private let addresses: [SocketAddress]
    private let attemptDelay: Duration
    private let deadline: Deadline?
    private var runners: [Runner]
    /// The first address that was not tried.
    private var next = 0
    /// How many attempts are on their way.
    private var running = 0
    /// When the next attempt may start; `nil` is at once.
    private var nextStart: Deadline?
    private var winner: Int?
    /// Why the attempt that ended last has failed.
    package private(set) var lastError: SystemError?

    package init(_ addresses: [SocketAddress], attemptDelay: Duration, deadline: Deadline?) {
        self.addresses = AddressRaceMachine.interleaved(addresses)
        self.attemptDelay = attemptDelay
        self.deadline = deadline
        runners = Array(repeating: .untried, count: addresses.count)
    }

    package mutating func nextStep(now: Deadline) -> Step {
        if let winner { return .won(attempt: winner) }
        if running == 0, next == addresses.count { return .lost }
        if let deadline, deadline <= now { return .timedOut }
        guard next < addresses.count else { return .wait(until: deadline) }
        if let nextStart, now < nextStart {
            return .wait(until: deadline.map { min($0, nextStart) } ?? nextStart)
        }
        let attempt = next
        next += 1
        running += 1
        runners[attempt] = .connecting
        nextStart = now.advanced(by: attemptDelay)
        return .connect(addresses[attempt], attempt: attempt)
    }

    /// An attempt has connected; only the first one wins.
    package mutating func connected(_ attempt: Int) {
        guard case .connecting = runners[attempt], winner == nil else { return }
        running -= 1
        runners[attempt] = .connected
        winner = attempt
    }

    /// An attempt has failed: the next one need not wait.
    package mutating func failed(_ attempt: Int, _ error: SystemError) {
        guard case .connecting = runners[attempt] else { return }
        running -= 1
        runners[attempt] = .failed(error)
        lastError = error
        nextStart = nil
    }

    /// Everything that was tried and what became of it, in the order of starting.
    package var attempts: [TransportError.Attempt] {
        zip(addresses, runners).compactMap { address, runner in
            let outcome: String
            switch runner {
            case .untried: return nil
            case .connecting: outcome = winner == nil ? "no answer in time" : "was slower"
            case .failed(let error): outcome = error.description
            case .connected: outcome = "connected"
            }
            return TransportError.Attempt(address: address.description, outcome: outcome)
        }
    }

    /// The first family of the list first, then one of each in turn (RFC 8305, section 4).
    package static func interleaved(_ addresses: [SocketAddress]) -> [SocketAddress] {
        guard let first = addresses.first?.family else { return [] }
        let preferred = addresses.filter { $0.family == first }
        let others = addresses.filter { $0.family != first }
        var result: [SocketAddress] = []
        result.reserveCapacity(addresses.count)
        for index in 0..<max(preferred.count, others.count) {
            if index < preferred.count { result.append(preferred[index]) }
            if index < others.count { result.append(others[index]) }
        }
        return result
    }
}
