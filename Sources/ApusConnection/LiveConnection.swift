package import ApusCore
package import ApusSocket
import ApusWire

/// An established connection, whatever it speaks: what the pool holds and exchanges run on.
///
/// Each method may be called from any thread; the connection does the work on its loop.
package protocol LiveConnection: AnyObject, Sendable {
    var id: ConnectionID { get }
    var facts: ConnectionFacts { get }
    /// Where it lives.
    var loop: EventLoop { get }
    var isHTTP2: Bool { get }
    /// Taken bytes from which on `consumed` is called, and not only after a pause; `.max` is never.
    var creditStep: Int { get }
    /// How many exchanges it may carry at once.
    var capacity: Int { get }

    /// Sends the exchange's request and delivers its response.
    func start(_ exchange: Exchange, isReused: Bool)
    /// It has been handed over or given back, and no exchange is about to start on it.
    func becameIdle()
    /// No caller waits for the exchange any more.
    func cancel(_ exchange: Exchange, reason: CloseReason)
    /// The consumer took this many bytes; reading may go on.
    func consumed(_ count: Int, by exchange: Exchange)
    /// The exchange's upload has something new, or its end.
    func uploadReady(_ exchange: Exchange)
    /// Closes at once; what is in flight fails.
    func close(_ reason: CloseReason)
    /// Closes at once if this is its local address; what is in flight fails.
    func addressRemoved(_ removed: RemovedAddress)
    /// The system has slept: asks the peer whether it is there, where the protocol has a question.
    func systemSlept()
}

/// What a connection reports its changes of state to: the pool's shell.
package protocol ConnectionKeeper: AnyObject, Sendable {
    /// One exchange is over at this instant, and the connection may carry another.
    func released(_ connection: any LiveConnection, at now: Deadline)
    /// No new exchanges; those in flight go on.
    func draining(_ connection: any LiveConnection, reason: CloseReason)
    /// The peer asks for calm: no dial in its place at once. Called before `draining`.
    func calmDemanded(_ connection: any LiveConnection)
    /// The peer may be dead: no new exchanges until `trusted`; those in flight go on.
    func suspected(_ connection: any LiveConnection)
    /// A suspect peer showed life.
    func trusted(_ connection: any LiveConnection)
    /// The peer takes less than the exchanges have to send, or no longer does.
    ///
    /// - Parameter window: the window with which the peer's streams begin; `nil` when it no longer
    ///   does.
    func congestionChanged(_ connection: any LiveConnection, window: Int?)
    /// The connection is gone.
    func closed(_ connection: any LiveConnection, reason: CloseReason)
    /// The peer changed how many exchanges may run at once.
    func capacityChanged(_ connection: any LiveConnection, to capacity: Int)
    /// The peer said how long it keeps an idle connection.
    func idleTimeHinted(_ connection: any LiveConnection, _ timeout: Duration)
    /// Descriptors have run out: closes the connection that has been idle longest.
    ///
    /// - Returns: `false` when none is idle.
    func evictIdle() -> Bool
}

extension LiveConnection {
    package func becameIdle() {}
    package func systemSlept() {}
}

extension Wire {
    /// Why it cannot go on after an address was removed; `nil` when it can.
    func loss(by removed: RemovedAddress) -> String? {
        guard let local = localAddress, removed.isAddress(of: local), !StreamSocket.isLocal(local)
        else { return nil }
        return "the local address \(local) was removed from this system"
    }
}

extension LiveConnection where Self: Actor {
    /// Runs `body` isolated: at once when the caller is on the loop, else a little later.
    func onLoop(_ loop: EventLoop, _ body: @escaping @Sendable (isolated Self) -> Void) {
        if loop.isCurrent {
            assumeIsolated(body)
        } else {
            loop.execute { self.assumeIsolated(body) }
        }
    }
}
