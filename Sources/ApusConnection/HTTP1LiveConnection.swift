package import ApusCore
import ApusHTTP1
package import ApusSocket
package import ApusWire
import HTTPTypes

/// One HTTP/1.1 connection on its loop: one exchange at a time, and a watch over its idle time.
///
/// This file holds what it is and how others reach it; sending, receiving and ending have a file
/// each.
package actor HTTP1LiveConnection: LiveConnection, WireOwner {
    /// What is left to send of the present request's body.
    enum Outgoing {
        /// Nothing.
        ///
        /// Exits: `.held`, `.segments`, `.pump`.
        case nothing
        /// All of it, held back until the peer says 100 or the timer ends.
        ///
        /// Exits: `.segments`, `.pump`; `.nothing` (a final answer came instead).
        case held(LoopTimer)
        /// Pieces at hand.
        ///
        /// Exits: `.nothing`.
        case segments(ArraySlice<Bytes>)
        /// Pieces from a producer, of which `remaining` are still owed (`nil`: chunked).
        ///
        /// Exits: `.nothing`.
        case pump(UploadPump, remaining: UInt64?)

        var isNothing: Bool { if case .nothing = self { true } else { false } }
    }

    /// How much more of an unwanted body is read.
    struct Drain {
        var bytesLeft: Int
        let timer: LoopTimer
    }

    package nonisolated let id: ConnectionID
    package nonisolated let facts: ConnectionFacts
    package nonisolated var isHTTP2: Bool { false }
    package nonisolated var creditsConsumption: Bool { false }
    package nonisolated var capacity: Int { 1 }
    package nonisolated let loop: EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        loop.asUnownedSerialExecutor()
    }

    let wire: Wire
    let keeper: any ConnectionKeeper
    let tuning: EngineTuning.HTTP1
    var machine: HTTP1Session
    var exchange: Exchange?
    var outgoing = Outgoing.nothing
    /// What the wire had sent when the present request began.
    var sentBefore: UInt64 = 0
    var firstWords = FirstWords.awaited
    /// What the system lacked when the connection was read between two requests.
    var shortage: (kind: TransportError.Kind, message: String)?
    /// Bytes that have come since the present request began, heads and framing included.
    var answerBytes = 0
    /// The peer has refused the present request: its answer is read to the end, whatever becomes of
    /// the request.
    var isRefused = false
    /// The consumer has enough for now, so nothing is read.
    var isPaused = false
    /// The rest of a response that no caller wants, read only to keep the connection.
    var drain: Drain?
    /// What the connection has become; the wire is its own.
    var duplex: WireDuplex?

    package init(
        id: ConnectionID, wire: Wire, facts: ConnectionFacts, tuning: EngineTuning,
        keeper: any ConnectionKeeper
    ) {
        self.id = id
        self.wire = wire
        self.facts = facts
        self.keeper = keeper
        loop = wire.loop
        self.tuning = tuning.http1
        machine = HTTP1Session(limits: tuning.limits, lenience: tuning.http1.lenience)
    }

    /// Takes over the wire; called once, on the loop, before the pool hears of the connection.
    package func attach() {
        wire.handOver(to: self)
        // Readiness is reported once, and the dial may have got that report.
        if wire.mayHaveInput { wire.readLater() }
    }

    // MARK: From any thread

    package nonisolated func start(_ exchange: Exchange, isReused: Bool) {
        onLoop(loop) { $0.begin(exchange, isReused: isReused) }
    }

    package nonisolated func cancel(_ exchange: Exchange, reason: CloseReason) {
        onLoop(loop) { $0.give(up: exchange, reason) }
    }

    package nonisolated func becameIdle() {
        onLoop(loop) { $0.refuseFirstWords() }
    }

    package nonisolated func consumed(_ count: Int, by exchange: Exchange) {
        onLoop(loop) { $0.resumeReading(for: exchange) }
    }

    package nonisolated func uploadReady(_ exchange: Exchange) {
        onLoop(loop) { connection in
            if connection.exchange === exchange { connection.sendBody() }
        }
    }

    package nonisolated func close(_ reason: CloseReason) {
        onLoop(loop) { connection in
            if let duplex = connection.duplex { return duplex.close(reason, .shutdown) }
            connection.end(reason, .shutdown, "the connection was closed: \(reason)")
        }
    }

    package nonisolated func wireReadable() {
        assumeIsolated { $0.readInput() }
    }

    package nonisolated func wireWritable() {
        assumeIsolated { $0.sendBody() }
    }
}
