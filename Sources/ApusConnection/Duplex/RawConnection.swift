package import ApusCore
package import ApusSocket
package import ApusWire
import HTTPTypes

/// A connection on which no HTTP is spoken: its one exchange takes the wire over as a raw duplex.
///
/// To the pool it is like any other, so that dials, waiting, limits, cancelling and the engine's
/// end are the same for tunnels. Until it is taken nothing is read: what a peer that speaks first
/// has said stays for the duplex.
package actor RawConnection: LiveConnection, WireOwner {
    package nonisolated let id: ConnectionID
    package nonisolated let facts: ConnectionFacts
    package nonisolated var isHTTP2: Bool { false }
    package nonisolated var creditStep: Int { .max }
    package nonisolated var capacity: Int { 1 }
    package nonisolated let loop: EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        loop.asUnownedSerialExecutor()
    }

    private let wire: Wire
    private let keeper: any ConnectionKeeper
    /// What the connection has become; the wire is its own.
    private var duplex: WireDuplex?

    package init(id: ConnectionID, wire: Wire, facts: ConnectionFacts, keeper: any ConnectionKeeper)
    {
        self.id = id
        self.wire = wire
        self.facts = facts
        self.keeper = keeper
        loop = wire.loop
    }

    package nonisolated func start(_ exchange: Exchange, isReused: Bool) {
        onLoop(loop) { $0.handOver(to: exchange) }
    }

    private func handOver(to exchange: Exchange) {
        guard wire.isOpen, duplex == nil else {
            exchange.failed(.reset, "the connection had closed before it was taken")
            return
        }
        let duplex = WireDuplex(wire, at: exchange.place) { [self] reason in
            keeper.closed(self, reason: reason)
        }
        self.duplex = duplex
        duplex.assumeIsolated { $0.attach() }
        if !exchange.upgraded(HTTPResponse(status: .ok), to: duplex) { duplex.close() }
        exchange.wake()
    }

    package nonisolated func cancel(_ exchange: Exchange, reason: CloseReason) {
        close(reason)
    }

    /// Nothing passes through the exchange once it has the duplex.
    package nonisolated func consumed(_ count: Int, by exchange: Exchange) {}
    package nonisolated func uploadReady(_ exchange: Exchange) {}

    package nonisolated func close(_ reason: CloseReason) {
        onLoop(loop) { $0.close(reason, .shutdown) }
    }

    package nonisolated func addressRemoved(_ removed: RemovedAddress) {
        onLoop(loop) { connection in
            if connection.wire.loss(by: removed) != nil {
                connection.close(.localAddressLost, .reset)
            }
        }
    }

    private func close(_ reason: CloseReason, _ kind: TransportError.Kind) {
        if let duplex { return duplex.close(reason, kind) }
        guard wire.isOpen else { return }
        wire.close()
        keeper.closed(self, reason: reason)
    }

    /// Left to the duplex, which reads once it is there.
    package nonisolated func wireReadable() {}
    package nonisolated func wireWritable() {}
}
