import ApusCore
import ApusSocket
import ApusWire

/// What the parts of one dial share: its route, its budgets, and how it waits, reports and fails.
///
/// Confined to the dial's loop.
final class DialContext {
    let id: ConnectionID
    let route: Route
    let dialer: Dialer
    let loop: EventLoop
    let started = Deadline.now()
    /// The attempts to connect so far, for the dial's error.
    private var attempts: [TransportError.Attempt] = []
    /// How far the dial is on its way through the proxies.
    private(set) var passage: ProxyPassage
    private let suspension: LoopSuspension
    /// Owns the wire while the dial goes on.
    let driver: WireDriver

    init(_ id: ConnectionID, _ route: Route, _ dialer: Dialer, on loop: EventLoop) {
        self.id = id
        self.route = route
        self.dialer = dialer
        self.loop = loop
        passage = ProxyPassage(through: route.proxies.count)
        suspension = LoopSuspension(on: loop)
        driver = WireDriver(suspension)
    }

    /// Which hop is connected to: the nearest proxy where there is one.
    var firstHop: TransportError.Hop { route.proxies.isEmpty ? .origin : .proxy }

    /// Notes how the way through the proxies goes on.
    func note(_ change: (inout ProxyPassage) -> Void) { change(&passage) }

    /// Reports a step of this dial to the observer, if there is one.
    func report(_ event: (UInt64) -> EngineEvent) {
        if let observer = dialer.observer { observer.observe(event(id.rawValue)) }
    }

    // MARK: Waiting

    /// The phase's own budget, within what is left of the whole connect budget.
    func deadline(_ timeout: Duration?) -> Deadline? {
        let own = timeout.map { Deadline.now().advanced(by: $0) }
        let whole = dialer.tuning.dial.connectTimeout.map { started.advanced(by: $0) }
        return [own, whole].compactMap { $0 }.min()
    }

    /// What did not happen within which limit, once a deadline of `deadline(_:)` has passed.
    func late(_ what: String, _ timeout: Duration?, _ option: String) -> String {
        if let whole = dialer.tuning.dial.connectTimeout, started.advanced(by: whole) <= .now() {
            return "\(what) within \(whole.words) (dial.connectTimeout)"
        }
        return timeout.map { "\(what) within \($0.words) (\(option))" } ?? "\(what) in time"
    }

    /// Waits until the wire is ready, or something that was awaited has come.
    ///
    /// - Throws: `timeout` with this message at the limit, `cancelled` when the dial is.
    func wait(
        _ phase: TransportError.Phase, until limit: Deadline?,
        _ message: @autoclosure () -> String, _ hop: TransportError.Hop = .origin
    ) async throws(TransportError) {
        await dialer.hooks.beforeWait?(phase)
        switch await suspension.wait(until: limit) {
        case .signalled: return
        case .deadlineReached: throw failure(.timeout, phase, message(), hop: hop)
        case .cancelled: throw failure(.cancelled, phase, "the dial was cancelled", hop: hop)
        }
    }

    /// Waits for a value that another thread gives; the first one counts.
    ///
    /// - Parameter begin: starts the work; what it returns is called when the wait is over,
    ///   because a value that is still to come is not wanted then.
    func value<Value: Sendable>(
        _ phase: TransportError.Phase, until limit: Deadline?,
        _ message: @autoclosure () -> String, _ hop: TransportError.Hop,
        _ begin: (@escaping @Sendable (Value) -> Void) -> () -> Void
    ) async throws(TransportError) -> Value {
        let arrival = Arrival<Value>()
        let stop = begin { [suspension, loop] value in
            loop.execute {
                if arrival.value == nil { arrival.value = value }
                suspension.signal()
            }
        }
        defer { stop() }
        while true {
            if let value = arrival.value { return value }
            try await wait(phase, until: limit, message(), hop)
        }
    }

    /// Waits for this side's own part: a name, TLS settings, a callback.
    ///
    /// No proxy is at fault for a failure meanwhile.
    func own<Value>(
        _ part: () async throws(TransportError) -> Value
    ) async throws(TransportError) -> Value {
        passage.waitsForItself(true)
        let value = try await part()
        passage.waitsForItself(false)
        return value
    }

    /// Waits for time to pass; a cancelled dial goes on at once.
    func pause(_ duration: Duration) async {
        _ = await suspension.wait(until: Deadline.now().advanced(by: duration))
    }

    // MARK: Failing

    /// A race of addresses has ended; its attempts are part of each error that follows.
    func raceEnded(_ attempts: [TransportError.Attempt]) {
        self.attempts = attempts
    }

    func failure(
        _ kind: TransportError.Kind, _ phase: TransportError.Phase, _ message: String,
        hop: TransportError.Hop = .origin
    ) -> TransportError {
        var error = TransportError(kind, phase: phase, message: message, replay: .notSent)
        error.hop = hop
        error.route = route
        error.attempts = attempts
        error.isOfDial = true
        return error
    }
}

/// Something that another thread hands over to a dial.
///
/// Unchecked, because it is touched on the dial's loop only.
private final class Arrival<Value: Sendable>: @unchecked Sendable {
    var value: Value?
}

/// Owns a wire while it is being made: readiness ends whatever the dial waits for.
final class WireDriver: WireOwner {
    private let suspension: LoopSuspension

    fileprivate init(_ suspension: LoopSuspension) {
        self.suspension = suspension
    }

    func wireReadable() { suspension.signal() }
    func wireWritable() { suspension.signal() }
}
