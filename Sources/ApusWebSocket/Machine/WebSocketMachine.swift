package import Apus

/// One side of a web socket, from bytes to messages and back (RFC 6455, sections 5 to 7).
///
/// ```
/// open --startClosing--> closing --Close--> closed
///  |  \---Close--> closed                             any but closed --a fault--> failed
/// ```
/// Input: `bytesReceived`, `streamEnded`. Output: `nextEvent`, `nextControl`, `start` and
/// `OutgoingMessage.nextFrame`. Masking keys are arguments.
package struct WebSocketMachine {
    /// Which side it is: a client masks what it sends, a server must not.
    package enum Role: Sendable, Hashable, CaseIterable {
        /// The side that asked for the handshake.
        case client
        /// The side that was asked.
        case server
    }

    /// What the peer may make the machine hold, and what is sent at once.
    package struct Limits: Sendable, Hashable {
        /// The largest frame that is accepted, in bytes.
        package var frame: Int
        /// The largest message that is accepted, decompressed, in bytes.
        package var message: Int
        /// The largest frame that is sent, in bytes.
        package var sentFrame: Int

        package init(frame: Int, message: Int, sentFrame: Int) {
            self.frame = frame
            self.message = message
            self.sentFrame = sentFrame
        }
    }

    /// What the peer sent.
    package enum Event: Sendable, Hashable {
        /// A message.
        case message(WebSocketMessage)
        /// The peer's Close; nothing follows.
        case closed(WebSocketClose)
    }

    private enum State {
        /// Messages go both ways.
        ///
        /// Exits: `.closing`, `.closed`, `.failed`.
        case open
        /// Our Close was made; the peer may still send messages.
        ///
        /// Exits: `.closed`, `.failed`.
        case closing
        /// The peer's Close has come; ours was made before or is due.
        ///
        /// Exits: none.
        case closed
        /// The peer broke the protocol.
        ///
        /// Exits: none.
        case failed(WebSocketFault)
    }

    /// Control frames that are due; one of each kind at most.
    private struct Due {
        var pong: Bytes?
        var ping = false
        var close: WebSocketClose?
    }

    private let role: Role
    private let limits: Limits
    private var state = State.open
    private var due = Due()
    private var parser = FrameParser()
    private var assembly: MessageAssembly
    private var deflateSide: DeflateSide?
    /// The payload of a control frame so far.
    private var control: [UInt8] = []

    /// Creates a side on which nothing was sent or received yet.
    ///
    /// - Parameter agreement: the compression agreed on; `nil` for none.
    package init(_ role: Role, limits: Limits, agreement: DeflateAgreement? = nil) {
        self.role = role
        self.limits = limits
        let inflater = agreement.map { $0.inflater(for: role) }
        assembly = MessageAssembly(limit: limits.message, inflater: inflater)
        deflateSide = agreement.flatMap { $0.deflateSide(for: role) }
    }

    /// Whether messages may be sent.
    package var isOpen: Bool {
        if case .open = state { true } else { false }
    }

    /// Whether a control frame waits to be sent.
    package var hasControl: Bool { due.pong != nil || due.ping || due.close != nil }

    // MARK: Receiving

    /// Takes bytes; `nextEvent()` has returned `nil` before.
    package mutating func bytesReceived(_ bytes: Bytes) {
        parser.bytesReceived(bytes)
    }

    /// The next event; `nil` when more bytes are needed, and after the end.
    ///
    /// - Throws: `WebSocketFault`, again on each call; a Close that reports it is then due.
    package mutating func nextEvent() throws(WebSocketFault) -> Event? {
        switch state {
        case .open, .closing: break
        case .closed:
            parser.discard()
            return nil
        case .failed(let fault): throw fault
        }
        do throws(WebSocketFault) {
            while let piece = try parser.nextPiece() {
                if piece.isFirst { try check(piece.header) }
                if piece.header.opcode.isControl {
                    if let close = try controlReceived(piece) { return .closed(close) }
                } else if let message = try assembly.add(piece) {
                    return .message(message)
                }
            }
            return nil
        } catch {
            due = Due(
                close: isOpen ? WebSocketClose(error.code, reason: error.message) : due.close)
            state = .failed(error)
            throw error
        }
    }

    private mutating func check(_ header: FrameHeader) throws(WebSocketFault) {
        guard (header.mask == nil) == (role == .client) else {
            throw .protocolError(
                role == .client ? "a server's frame is masked" : "a client's frame is not masked")
        }
        guard header.length <= limits.frame else { throw .tooLarge("a frame", limit: limits.frame) }
        if !header.opcode.isControl { try assembly.begin(header) }
    }

    private mutating func controlReceived(
        _ piece: FrameParser.Piece
    ) throws(WebSocketFault) -> WebSocketClose? {
        control += piece.bytes
        guard piece.isLast else { return nil }
        let payload = Bytes(control)
        control = []
        switch piece.header.opcode {
        case .ping:
            // Of several unanswered pings the last is answered (RFC 6455, section 5.5.3).
            due.pong = payload
        case .close:
            let close = try WebSocketClose(parsing: payload)
            due = isOpen ? Due(close: WebSocketClose(close.code)) : Due(close: due.close)
            state = .closed
            return close
        default: break
        }
        return nil
    }

    // MARK: Sending

    /// Begins to send a message; its frames are sent before those of the next one.
    ///
    /// Called only while `isOpen`.
    package mutating func start(_ message: WebSocketMessage) -> OutgoingMessage {
        OutgoingMessage(message, deflater: &deflateSide, maxFrame: limits.sentFrame)
    }

    /// A message that was begun was not sent.
    package mutating func messageAbandoned() {
        deflateSide?.forget()
    }

    /// Asks for a ping; while one is due, nothing.
    package mutating func sendPing() {
        if isOpen { due.ping = true }
    }

    /// Begins the closing handshake, unless it has begun.
    package mutating func startClosing(_ close: WebSocketClose) {
        guard isOpen else { return }
        state = .closing
        due = Due(pong: due.pong, close: close)
    }

    /// The next control frame that is due, masked with this key; `nil` when none is.
    ///
    /// It may be sent between the frames of a message, but a Close only after the message.
    package mutating func nextControl(mask: UInt32, mayClose: Bool = true) -> Bytes? {
        let key = role == .client ? mask : nil
        func frame(_ opcode: FrameOpcode, _ payload: Bytes) -> Bytes {
            FrameWriter.frame(FrameHeader(opcode, length: payload.count, mask: key), payload)
        }
        if let pong = due.pong {
            due.pong = nil
            return frame(.pong, pong)
        }
        if due.ping {
            due.ping = false
            return frame(.ping, .empty)
        }
        guard mayClose, let close = due.close else { return nil }
        due.close = nil
        return frame(.close, close.payload)
    }
}
