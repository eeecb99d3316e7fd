package import ApusCore
package import ApusSocket
import ApusTLS

/// The user of a wire's bytes; called on the loop's thread.
package protocol WireOwner: AnyObject {
    /// There may be something to read: the peer has sent, ended or reset.
    func wireReadable()
    /// Everything handed to `send` has left; more may be handed over.
    func wireWritable()
}

/// The bytes of one connection: a socket and the TLS layers that stack on it.
///
/// One shape for all: no layer in the clear, one over TLS, two through an https proxy. Reading
/// takes bytes up through the layers, sending takes them down; what the socket does not take is
/// kept here.
///
/// Unchecked, because it is confined to its loop: each method is called on the loop's thread only.
package final class Wire: ReadinessHandler, @unchecked Sendable {
    /// What is sent in a row before others on the loop have their turn.
    package static let maxSentInRow: UInt64 = 1024 * 1024
    /// What is encrypted before the socket is asked again.
    private static let maxEncryptedAtOnce = 256 * 1024
    /// What is offered to the socket at once.
    ///
    /// More would keep the kernel copying while what the peer acknowledges waits for it.
    private static let maxOffered = 1024 * 1024
    /// A piece of no more bytes costs more as a place of its own in a system call than as a copy.
    private static let maxCopiedInClear = 1024

    package let loop: EventLoop
    package let remoteAddress: SocketAddress
    /// Held strongly, so that reading needs no side table; let go when the wire closes.
    @exclusivity(unchecked) package private(set) var owner: (any WireOwner)?
    /// The TLS of each hop, nearest to the socket first, and where its sessions are kept.
    @exclusivity(unchecked) private var engines: [(engine: TLSEngine, keep: (TLSSession) -> Void)] =
        []

    /// When TCP was established.
    package let established = Deadline.now()

    /// `nil` once closed.
    @exclusivity(unchecked) private var socket: StreamSocket?
    /// What reading ended with; `nil` before that.
    @exclusivity(unchecked) package private(set) var inputEnding: WireEnding?
    @exclusivity(unchecked) private var metReset = MetReset()
    @exclusivity(unchecked) private var registration: UInt64 = 0
    @exclusivity(unchecked) private var output: SocketOutput
    /// Nearest to the socket first.
    @exclusivity(unchecked) private var layers: [WireLayer] = []
    /// Those of the layers whose windows may hold bytes back; mostly none.
    @exclusivity(unchecked) private var tunnels: [HTTP2Tunnel] = []
    /// Plaintext that arrived after a handshake, and is read before anything else.
    @exclusivity(unchecked) private var leftOver: [UInt8] = []
    @exclusivity(unchecked) private var isHungUp = false
    /// Whether the socket may have something: edge-triggered readiness is reported only once.
    @exclusivity(unchecked) private var isReady = false
    /// What was read from the socket before the owner read it.
    @exclusivity(unchecked) private var ahead = ReadingAhead()
    /// The owner is asked in the loop's next tick to read on.
    @exclusivity(unchecked) private var isReadPlanned = false
    /// The owner is asked in the loop's next tick to send on.
    @exclusivity(unchecked) private var isWritePlanned = false

    package init(_ socket: StreamSocket, to address: SocketAddress, on loop: EventLoop) {
        self.socket = socket
        self.loop = loop
        remoteAddress = address
        output = SocketOutput(on: loop)
    }

    /// Begins to hear of readiness.
    package func register() throws(SystemError) {
        guard let socket else { return }
        registration = try loop.register(socket.descriptor, handler: self)
    }

    /// Reports to this owner from now on, until it is handed on or closes.
    package func handOver(to owner: any WireOwner) {
        self.owner = owner
    }

    package var isOpen: Bool { socket != nil }
    /// Whether a read may give something.
    package var mayHaveInput: Bool { isReady || isHolding }
    /// Whether nothing waits for the socket, so that more may be handed over.
    package var isWritable: Bool {
        output.isWritable && isOpen && (tunnels.isEmpty || backlog == 0)
    }
    package var unsentCount: Int { output.unsentCount + backlog }
    /// Bytes that the socket has taken: while it takes none, nothing can have left.
    package var sentCount: UInt64 { output.sentCount }
    /// The first error of sending; later sends are dropped, reading goes on.
    package var sendError: WireError? { output.error }
    /// Whether sending has failed.
    package var hasSendFailed: Bool { output.hasFailed }
    /// How long ago bytes last came and left; `nil` once closed.
    package var silence: StreamSocket.Silence? { socket?.silence }
    /// Bytes that the socket has taken and the peer's system has not acknowledged.
    package var unacknowledgedCount: Int { socket?.unacknowledgedCount ?? 0 }
    /// Its own address; `nil` when it is unknown, or closed.
    package var localAddress: SocketAddress? { socket?.localAddress }
    /// What TCP shows of what was sent after `start`, a value of `sentCount`; `nil` once closed,
    /// and on a Unix socket.
    ///
    /// - Parameter isRelayed: whether the socket's peer is a proxy that only passes bytes on.
    package func arrival(since start: UInt64, isRelayed: Bool) -> RequestArrival? {
        guard let socket, remoteAddress.family != .unix else { return nil }
        // Under TLS the peer that speaks HTTP says itself that it ends, in the clear its system
        // does.
        let hasSpeakerEnded =
            switch (layers.last, inputEnding) {
            case (.tls, .closeNotify): true
            case (nil, .fin): !isRelayed
            default: false
            }
        return RequestArrival(
            written: sentCount - min(sentCount, start), on: socket,
            hasSpeakerEnded: hasSpeakerEnded,
            reset: metReset.look(at: socket, read: inputEnding, sent: output.error))
    }
    /// Bytes that a tunnel's window has not let out yet.
    private var backlog: Int {
        tunnels.isEmpty ? 0 : tunnels.reduce(0) { $0 + $1.backlog }
    }

    package func readinessNoticed(_ readiness: Readiness) {
        if readiness.isHungUp { isHungUp = true }
        if readiness.isReadable || readiness.isHungUp { isReady = true }
    }

    package func readinessChanged(_ readiness: Readiness) {
        readinessNoticed(readiness)
        if readiness.isReadable || readiness.isHungUp {
            // Else it reads in this very tick, once.
            if !isReadPlanned { owner?.wireReadable() }
            readAheadUnlessOwnerReads()
        }
        guard readiness.isWritable, let socket else { return }
        let couldSend = !output.hasFailed
        output.socketBecameWritable(socket)
        // An error of sending is reported too: no other event may follow it.
        if isWritable || couldSend && output.hasFailed { owner?.wireWritable() }
    }

    // MARK: Reading

    /// Finds out whether bytes or the end have come; in a long turn, by at most 50 µs ago.
    package func lookBeforeReuse() { if !loop.look() { lookForInput() } }

    /// Asks the socket itself whether bytes or the end have come that were not reported yet.
    package func lookForInput() { if socket?.hasPendingInput() == true { isReady = true } }

    /// Reads once and delivers what came out at the top, in one or more pieces.
    ///
    /// - Parameter deliver: gets bytes and, where they are in memory of their own that may be kept,
    ///   that memory.
    /// - Throws: `WireError` when the socket or a layer failed; nothing may follow.
    package func read(_ deliver: (RawSpan, Bytes?) -> Void) throws(WireError) -> ReadOutcome {
        if !leftOver.isEmpty {
            let bytes = leftOver
            leftOver = []
            deliver(unsafe bytes.span.bytes, nil)
            return .progress
        }
        if isHolding { return try takeHeld(deliver) }
        ahead.ownerReadsOn()
        defer { readAheadUnlessOwnerReads() }
        return try readSocket(deliver)
    }

    /// The same from the socket alone.
    private func readSocket(
        _ deliver: (RawSpan, Bytes?) -> Void
    ) throws(WireError) -> ReadOutcome {
        do throws(WireError) {
            return try takeFromSocket(deliver)
        } catch {
            inputEnding = inputEnding ?? .failed(error)
            throw error
        }
    }

    private func takeFromSocket(
        _ deliver: (RawSpan, Bytes?) -> Void
    ) throws(WireError) -> ReadOutcome {
        guard let socket else { return .end }
        let scratch = loop.scratch
        let result: StreamSocket.ReadResult
        do throws(SystemError) {
            result = try socket.read(into: &scratch.input)
        } catch {
            isReady = false
            throw .system(error)
        }
        switch result {
        case .bytes(let count):
            // A short read has emptied the socket; after a hang-up its end is still to be read.
            if count < scratch.input.count, !isHungUp { isReady = false }
            let isClosed = try scratch.input.withSpan { (input) throws(WireError) in
                try lift(input.extracting(first: count), in: nil, through: 0, deliver)
            }
            guard isClosed else { return .progress }
            inputEnding = inputEnding ?? .closeNotify
            return .end
        case .wouldBlock:
            isReady = false
            return .wouldBlock
        case .end:
            isReady = false
            inputEnding = inputEnding ?? .fin
            for layer in layers { try layer.streamEnded() }
            return .end
        }
    }

    /// Takes bytes up through layer `index` and those above; `true` when a layer was closed.
    private func lift(
        _ bytes: RawSpan, in memory: Bytes?, through index: Int,
        _ deliver: (RawSpan, Bytes?) -> Void
    ) throws(WireError) -> Bool {
        guard index < layers.count else {
            deliver(bytes, memory)
            return false
        }
        var reply: [UInt8] = []
        if ahead.isReading, index == lastTunnel, case .tunnel(let tunnel) = layers[index] {
            tunnel.readAhead(bytes, output: &reply)
            sendReply(reply, under: index)
            return false
        }
        var failure: WireError?
        var isClosed = false
        let hasEnded: Bool
        let backlog = backlog
        do throws(WireError) {
            hasEnded = try layers[index].receive(bytes, output: &reply) { bytes, memory in
                guard failure == nil else { return }
                guard index + 1 < layers.count else { return deliver(bytes, memory) }
                do throws(WireError) {
                    let next = try lift(bytes, in: memory, through: index + 1, deliver)
                    isClosed = isClosed || next
                } catch {
                    failure = error
                }
            }
        } catch {
            sendReply(reply, under: index)
            throw error
        }
        sendReply(reply, under: index)
        if let failure { throw failure }
        // A window may have opened: the owner sends on once it has read.
        if backlog > 0, isWritable { writeLater() }
        guard hasEnded else { return isClosed }
        // What a layer ends is cut short for those above that have not ended themselves.
        // (The receiver may have closed the wire: then no layers are left.)
        for layer in layers.dropFirst(index + 1) { try layer.streamEnded() }
        return true
    }

    /// What a layer itself has to say (an alert, a key update) goes down through those below it.
    private func sendReply(_ reply: [UInt8], under index: Int) {
        guard !reply.isEmpty else { return }
        lower(unsafe reply.span.bytes, through: index - 1)
    }

    // MARK: Reading ahead

    /// The place of the topmost tunnel among the layers.
    private var lastTunnel: Int? {
        layers.lastIndex { if case .tunnel = $0 { true } else { false } }
    }

    /// Whether something was read ahead that the owner has not read.
    private var isHolding: Bool {
        guard let tunnel = tunnels.last else { return false }
        return tunnel.isHolding || ahead.isHolding
    }

    /// Gives what was read ahead, in the order in which it came.
    private func takeHeld(_ deliver: (RawSpan, Bytes?) -> Void) throws(WireError) -> ReadOutcome {
        if let tunnel = tunnels.last, tunnel.isHolding, let index = lastTunnel {
            return try lift(RawSpan(), in: nil, through: index, deliver) ? .end : .progress
        }
        if let fault = ahead.takeFault() { throw fault }
        return .end
    }

    /// Reads on in the loop's next turn, unless the owner reads in this one.
    private func readAheadUnlessOwnerReads() {
        guard !tunnels.isEmpty, isReady, isOpen, ahead.plan() else { return }
        // In two steps, so that an owner which goes on reading in its next turn comes first.
        loop.execute { [weak self] in
            self?.loop.execute { [weak self] in self?.readAhead() }
        }
    }

    private func readAhead() {
        defer { readAheadUnlessOwnerReads() }
        guard ahead.turnHasCome(), isReady, isOpen else { return }
        ahead.began()
        do throws(WireError) {
            let isAtEnd = try readSocket({ _, _ in }) == .end
            ahead.finished(atEnd: isAtEnd)
            if isAtEnd { isReady = true }
        } catch {
            ahead.failed(error)
        }
    }

    // MARK: Sending

    /// Encrypts and sends; what the socket does not take now is kept and sent when it does.
    package func send(_ bytes: RawSpan) {
        lower(bytes, through: layers.count - 1)
    }

    /// Sends pieces in a row, in one system call: in the clear as they are, else encrypted, none of
    /// them copied before that.
    package func send(_ bytes: OutgoingBytes) {
        guard !output.hasFailed, let socket, !bytes.isEmpty else { return }
        let scratch = loop.scratch
        switch layers.count {
        case 0: output.send(bytes, to: socket)
        case 1:
            scratch.ciphertext.removeAll(keepingCapacity: true)
            guard encrypt(bytes, with: layers[0], into: &scratch.ciphertext) else { return }
            scratch.ciphertext.withSpan { output.send($0, to: socket) }
        case let count:
            var encrypted: [UInt8] = []
            guard encrypt(bytes, with: layers[count - 1], into: &encrypted) else { return }
            lower(unsafe encrypted.span.bytes, through: count - 2)
        }
    }

    /// Sends a head, followed by as much of a body's pieces as the socket takes now.
    ///
    /// In the clear one system call takes them all and no long piece is copied, so what the socket
    /// does not take of the body stays with the caller until `wireWritable`.
    /// - Parameter end: the value of `sentCount` at which the turn of the body is over; encryption
    ///   adds its own bytes to that.
    /// - Returns: how much of the body was taken; 0 too when sending fails or failed before.
    package func send(_ head: RawSpan, _ body: ArraySlice<Bytes>, until end: UInt64) -> Int {
        guard !output.hasFailed, let socket else { return 0 }
        guard isWritable else {
            send(head)
            return 0
        }
        let scratch = loop.scratch
        defer { scratch.outgoing.removeAll() }
        let isClear = layers.isEmpty
        let left = Int(end) - Int(output.sentCount) - head.byteCount
        scratch.outgoing.append(copying: head)
        let taken = scratch.outgoing.append(
            body, upTo: min(left, isClear ? Wire.maxOffered : Wire.maxEncryptedAtOnce),
            copiedUpTo: isClear ? Wire.maxCopiedInClear : OutgoingBytes.maxCopied)
        guard isClear else {
            send(scratch.outgoing)
            return taken
        }
        // A socket that takes nothing is full.
        guard !scratch.outgoing.isEmpty else { return 0 }
        let sent = output.writeOnce(scratch.outgoing, to: socket)
        guard sent < head.byteCount else { return sent - head.byteCount }
        output.keep(head.extracting(droppingFirst: sent), for: socket)
        return 0
    }

    /// Takes bytes down through layer `index` and those below, then to the socket.
    private func lower(_ bytes: RawSpan, through index: Int) {
        guard !output.hasFailed, let socket else { return }
        guard index >= 0 else { return output.send(bytes, to: socket) }
        if index == 0 {
            let scratch = loop.scratch
            scratch.ciphertext.removeAll(keepingCapacity: true)
            guard encrypt(bytes, with: layers[0], into: &scratch.ciphertext) else { return }
            scratch.ciphertext.withSpan { output.send($0, to: socket) }
        } else {
            var encrypted: [UInt8] = []
            guard encrypt(bytes, with: layers[index], into: &encrypted) else { return }
            lower(unsafe encrypted.span.bytes, through: index - 1)
        }
    }

    private func encrypt(
        _ bytes: RawSpan, with layer: WireLayer, into ciphertext: inout [UInt8]
    ) -> Bool {
        if layer.send(bytes, output: &ciphertext) { return true }
        // Reading will say why.
        output.failed(.layerTakesNoMore)
        return false
    }

    private func encrypt(
        _ bytes: OutgoingBytes, with layer: WireLayer, into ciphertext: inout [UInt8]
    ) -> Bool {
        var isFine = true
        bytes.forEachPiece { isFine = isFine && encrypt($0, with: layer, into: &ciphertext) }
        return isFine
    }

    // MARK: Turns

    /// Has the owner read on in the loop's next tick: others on the loop have their turn before.
    package func readLater() {
        guard !isReadPlanned else { return }
        isReadPlanned = true
        loop.execute { [self] in
            isReadPlanned = false
            owner?.wireReadable()
        }
    }

    /// Has the owner send on in the loop's next tick: others on the loop have their turn before.
    package func writeLater() {
        guard !isWritePlanned else { return }
        isWritePlanned = true
        loop.execute { [self] in
            isWritePlanned = false
            if isWritable { owner?.wireWritable() }
        }
    }

    // MARK: Layers

    /// Takes note of an engine whose handshake begins.
    ///
    /// - Parameter keep: gets each session that the peer gives, in `keepSessions`.
    func handshakeStarted(_ engine: TLSEngine, keep: @escaping (TLSSession) -> Void) {
        engines.append((engine, keep))
    }

    /// Puts a layer on top; what it holds already is read before anything else.
    package func add(_ layer: WireLayer) throws(WireError) {
        var reply: [UInt8] = []
        let hasEnded = try layer.receive(RawSpan(), output: &reply) { bytes, _ in
            self.leftOver.append(copying: bytes)
        }
        layers.append(layer)
        if case .tunnel(let tunnel) = layer {
            if hasEnded, leftOver.isEmpty { throw .tunnel(.endedAtOnce) }
            // Bytes that came before the end are read before it.
            ahead.tunnelAdded(hasEnded: hasEnded)
            tunnels.append(tunnel)
        }
        sendReply(reply, under: layers.count - 1)
        if !leftOver.isEmpty { isReady = true }
    }

    /// Puts bytes back that were read after a tunnel's answer: they belong to the next layer.
    package func putBack(_ bytes: RawSpan) {
        leftOver.append(copying: bytes)
        isReady = true
    }

    /// Keeps the sessions that the layers have received and that were not taken yet: none, where
    /// settings resume none.
    package func keepSessions() {
        for (engine, keep) in engines {
            while let session = engine.nextSession() { keep(session) }
        }
    }

    // MARK: Closing

    /// Closes at once, saying close_notify first where there is TLS; idempotent.
    package func close() {
        guard let socket else { return }
        for index in layers.indices.reversed() where !output.hasFailed {
            var farewell: [UInt8] = []
            layers[index].close(output: &farewell)
            sendReply(farewell, under: index)
        }
        loop.deregister(socket.descriptor, token: registration)
        output.close()
        self.socket = nil
        owner = nil
        layers = []
        engines = []
        tunnels = []
        leftOver = []
        isReady = false
    }

    /// Ends our side of a raw duplex, by what its topmost layer has for that (close_notify, or the
    /// end of a proxy's stream), else by FIN.
    ///
    /// Under TLS the socket stays open both ways: many a peer takes a FIN for the end of all.
    package func endSending() {
        guard let top = layers.last else {
            socket?.shutdownWriting()
            return
        }
        var farewell: [UInt8] = []
        top.endSending(output: &farewell)
        sendReply(farewell, under: layers.count - 1)
    }
}
