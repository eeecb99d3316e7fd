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
    package var owner: (any WireOwner)?
    /// The TLS of each hop, nearest to the socket first, and where its sessions are kept.
    private var engines: [(engine: TLSEngine, keep: (TLSSession) -> Void)] = []

    /// `nil` once closed.
    private(set) var socket: StreamSocket?
    /// Whether the peer's window is closed.
    var windowWatch = WireWindowWatch()
    private var registration: UInt64 = 0
    /// Nearest to the socket first.
    private(set) var layers: [WireLayer] = []
    /// Those of the layers whose windows may hold bytes back; mostly none.
    private(set) var tunnels: [HTTP2Tunnel] = []
    /// Bytes for the socket that it has not taken yet, from `unsentStart` on.
    private var unsent: [UInt8] = []
    private var unsentStart = 0
    /// Plaintext that arrived after a handshake, and is read before anything else.
    private var leftOver: [UInt8] = []
    private var isHungUp = false
    /// The socket took less than was offered without keeping the rest here.
    private var isSocketFull = false

    /// Whether the socket may have something: edge-triggered readiness is reported only once.
    var isReady = false
    /// What was read from the socket before the owner read it, and how far that went.
    var ahead = WireReadingAhead()
    /// Whether a read may give something.
    package var mayHaveInput: Bool { isReady || isHolding }
    /// The owner is asked in the loop's next tick to read on.
    var isReadPlanned = false
    /// The owner is asked in the loop's next tick to send on.
    var isWritePlanned = false
    /// The first error of sending; later sends are dropped, reading goes on.
    package private(set) var sendError: WireError?
    /// Bytes that the socket has taken: while it takes none, nothing can have left.
    package private(set) var sentCount: UInt64 = 0

    package init(_ socket: StreamSocket, to address: SocketAddress, on loop: EventLoop) {
        self.socket = socket
        self.loop = loop
        remoteAddress = address
    }

    /// Begins to hear of readiness.
    package func register() throws(SystemError) {
        guard let socket else { return }
        registration = try loop.register(socket.descriptor, handler: self)
    }

    package var isOpen: Bool { socket != nil }
    /// Whether nothing waits for the socket, so that more may be handed over.
    package var isWritable: Bool {
        unsentStart == unsent.count && !isSocketFull && sendError == nil && isOpen
            && (tunnels.isEmpty || backlog == 0)
    }
    package var unsentCount: Int { unsent.count - unsentStart + backlog }
    /// Bytes that the socket has taken and the peer's system has not acknowledged.
    package var unacknowledgedCount: Int { socket?.unacknowledgedCount ?? 0 }
    /// Bytes that a tunnel's window has not let out yet.
    private var backlog: Int {
        tunnels.isEmpty ? 0 : tunnels.reduce(0) { $0 + $1.backlog }
    }

    package func readinessChanged(_ readiness: Readiness) {
        if readiness.isHungUp { isHungUp = true }
        if readiness.isReadable || readiness.isHungUp {
            isReady = true
            // Else it reads in this very tick, once.
            if !isReadPlanned { owner?.wireReadable() }
            readAheadIfNobodyReads()
        }
        guard readiness.isWritable, isOpen else { return }
        isSocketFull = false
        let couldSend = sendError == nil
        if unsentStart < unsent.count { sendUnsent() }
        // An error of sending is reported too: no other event may follow it.
        if isWritable || couldSend && sendError != nil { owner?.wireWritable() }
    }

    // MARK: Reading

    /// Asks the socket itself whether bytes or the end have come that were not reported yet.
    package func lookForInput() {
        if socket?.hasPendingInput() == true { isReady = true }
    }

    /// Reads once and delivers what came out at the top, in one or more pieces.
    ///
    /// - Throws: `WireError` when the socket or a layer failed; nothing may follow.
    package func read(_ deliver: (RawSpan) -> Void) throws(WireError) -> ReadOutcome {
        if !leftOver.isEmpty {
            let bytes = leftOver
            leftOver = []
            deliver(unsafe bytes.span.bytes)
            return .progress
        }
        if isHolding { return try takeHeld(deliver) }
        ahead.reads += 1
        defer { readAheadIfNobodyReads() }
        return try readSocket(deliver)
    }

    /// The same from the socket alone.
    func readSocket(_ deliver: (RawSpan) -> Void) throws(WireError) -> ReadOutcome {
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
                try lift(input.extracting(first: count), through: 0, deliver)
            }
            return isClosed ? .end : .progress
        case .wouldBlock:
            isReady = false
            return .wouldBlock
        case .end:
            isReady = false
            for layer in layers { try layer.streamEnded() }
            return .end
        }
    }

    /// Takes bytes up through layer `index` and those above; `true` when a layer was closed.
    func lift(
        _ bytes: RawSpan, through index: Int, _ deliver: (RawSpan) -> Void
    ) throws(WireError) -> Bool {
        guard index < layers.count else {
            deliver(bytes)
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
            hasEnded = try layers[index].receive(bytes, output: &reply) { plaintext in
                guard failure == nil else { return }
                guard index + 1 < layers.count else { return deliver(plaintext) }
                do throws(WireError) {
                    isClosed = try lift(plaintext, through: index + 1, deliver) || isClosed
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
        if backlog > 0 { tellWhenWritable() }
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

    // MARK: Sending

    /// Encrypts and sends; what the socket does not take now is kept and sent when it does.
    package func send(_ bytes: RawSpan) {
        lower(bytes, through: layers.count - 1)
    }

    /// Sends pieces in a row, in one system call: in the clear as they are, else encrypted, none of
    /// them copied before that.
    package func send(_ bytes: OutgoingBytes) {
        guard sendError == nil, isOpen, !bytes.isEmpty else { return }
        let scratch = loop.scratch
        switch layers.count {
        case 0: sendRaw(bytes)
        case 1:
            scratch.ciphertext.removeAll(keepingCapacity: true)
            guard encrypt(bytes, with: layers[0], into: &scratch.ciphertext) else { return }
            sendRaw(unsafe scratch.ciphertext.span.bytes)
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
        guard sendError == nil, isOpen else { return 0 }
        guard isWritable else {
            send(head)
            return 0
        }
        let scratch = loop.scratch
        defer { scratch.outgoing.removeAll() }
        let isClear = layers.isEmpty
        let left = Int(end) - Int(sentCount) - head.byteCount
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
        let sent = write(scratch.outgoing)
        guard sent < head.byteCount else { return sent - head.byteCount }
        keepUnsent(head.extracting(droppingFirst: sent))
        return 0
    }

    /// Takes bytes down through layer `index` and those below, then to the socket.
    private func lower(_ bytes: RawSpan, through index: Int) {
        guard sendError == nil, isOpen else { return }
        guard index >= 0 else { return sendRaw(bytes) }
        if index == 0 {
            let scratch = loop.scratch
            scratch.ciphertext.removeAll(keepingCapacity: true)
            guard encrypt(bytes, with: layers[0], into: &scratch.ciphertext) else { return }
            sendRaw(unsafe scratch.ciphertext.span.bytes)
        } else {
            var encrypted: [UInt8] = []
            guard encrypt(bytes, with: layers[index], into: &encrypted) else { return }
            lower(unsafe encrypted.span.bytes, through: index - 1)
        }
    }

    private func encrypt(_ bytes: RawSpan, with layer: WireLayer, into output: inout [UInt8])
        -> Bool
    {
        if layer.send(bytes, output: &output) { return true }
        // Reading will say why.
        sendError = .layerTakesNoMore
        return false
    }

    private func encrypt(
        _ bytes: OutgoingBytes, with layer: WireLayer, into output: inout [UInt8]
    ) -> Bool {
        var isFine = true
        bytes.forEachPiece { isFine = isFine && encrypt($0, with: layer, into: &output) }
        return isFine
    }

    /// What the socket does not take of them is copied, to be sent when it does.
    private func sendRaw(_ bytes: OutgoingBytes) {
        guard unsentStart == unsent.count else { return bytes.copy(to: &unsent) }
        let sent = write(bytes)
        guard sent < bytes.count, sendError == nil else { return }
        bytes.copy(to: &unsent)
        unsentStart = sent
        sendUnsent()
    }

    /// Writes once; how many bytes the socket took.
    private func write(_ bytes: OutgoingBytes) -> Int {
        guard let socket else { return 0 }
        do throws(SystemError) {
            let count = try socket.write(bytes)
            sentCount += UInt64(count)
            if count == 0 { isSocketFull = true }
            watchWindow(written: count)
            return count
        } catch {
            sendError = .system(error)
            return 0
        }
    }

    /// Keeps what the socket did not take of a short piece.
    private func keepUnsent(_ bytes: RawSpan) {
        guard sendError == nil else { return }
        unsent.append(copying: bytes)
        sendUnsent()
    }

    private func sendRaw(_ bytes: RawSpan) {
        guard unsentStart == unsent.count else { return unsent.append(copying: bytes) }
        let sent = write(bytes)
        guard sent < bytes.byteCount, sendError == nil else { return }
        unsent.append(copying: bytes.extracting(droppingFirst: sent))
    }

    private func sendUnsent() {
        let bytes = unsent
        unsentStart += unsafe write(bytes.span.bytes.extracting(droppingFirst: unsentStart))
        guard unsentStart == unsent.count || sendError != nil else { return }
        unsent = []
        unsentStart = 0
    }

    /// Writes until the socket is full; how many bytes it took.
    private func write(_ bytes: RawSpan) -> Int {
        var sent = 0
        while sent < bytes.byteCount, let socket {
            do throws(SystemError) {
                let count = try socket.write(bytes.extracting(droppingFirst: sent))
                watchWindow(written: count)
                if count == 0 { return sent }
                sent += count
                sentCount += UInt64(count)
            } catch {
                sendError = .system(error)
                return sent
            }
        }
        return sent
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
        let hasEnded = try layer.receive(RawSpan(), output: &reply) {
            self.leftOver.append(copying: $0)
        }
        layers.append(layer)
        if case .tunnel(let tunnel) = layer {
            if hasEnded, leftOver.isEmpty { throw .tunnel(.endedAtOnce) }
            // Bytes that came before the end are read before it.
            ahead.hasEnded = hasEnded
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
        for index in layers.indices.reversed() where sendError == nil {
            var farewell: [UInt8] = []
            layers[index].close(output: &farewell)
            sendReply(farewell, under: index)
        }
        loop.deregister(socket.descriptor, token: registration)
        stopWatchingWindow()
        self.socket = nil
        owner = nil
        layers = []
        engines = []
        tunnels = []
        unsent = []
        unsentStart = 0
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
