import Apus
import Synchronization

/// One web socket: the machine, and the tasks that read and write its stream.
///
/// A read is the caller's task; so is a write, when it is its turn. Answers to pings and Closes are
/// written by a task of their own, since a read must not wait until the peer reads.
package actor SocketCore {
    /// How a web socket has ended.
    private enum Ending {
        /// By a closing handshake as planned.
        case closed(WebSocketClose)
        /// By anything else; each later call throws the error.
        case failed(WebSocketError)
    }

    private let stream: any WebSocketStream
    private let time: Timekeeper
    private let closeTimeout: Duration
    private var machine: WebSocketMachine
    private var masks: MaskKeys
    private var keepAlive: KeepAlive?
    private var turns = Turns()
    private var ending: Ending?
    /// The Close of the peer.
    package private(set) var peerClose: WebSocketClose?
    /// Whether a task reads; at most one does.
    private var isReading = false
    /// Whether the task that reads is a call of `close`.
    private var isDraining = false
    /// Messages that a call of `close` has read, for the next reads.
    private var kept: [WebSocketMessage] = []
    private var keptBytes = 0
    /// The most bytes of messages that a call of `close` keeps; those beyond are dropped.
    package static let maxKeptBytes = 1024 * 1024
    /// The number of the read of the stream that waits, or of the last one.
    private var lastRead: UInt64 = 0
    private var isReadWaiting = false
    /// Whether the task that writes control frames runs.
    private var isAnswering = false
    /// Calls of `close` that wait for the end, or until no task reads.
    private var closers: [CheckedContinuation<Void, Never>] = []
    /// Whether the end of the stream is left to a task of this web socket.
    private nonisolated let isLeaving = Atomic(false)

    package init(
        _ stream: any WebSocketStream, _ machine: WebSocketMachine, masks: MaskKeys,
        time: Timekeeper, keepAlive: KeepAlive?, closeTimeout: Duration
    ) {
        self.stream = stream
        self.machine = machine
        self.masks = masks
        self.time = time
        self.keepAlive = keepAlive
        self.closeTimeout = closeTimeout
    }

    /// Ends the connection at once.
    package nonisolated func cancel() {
        stream.close()
    }

    /// The caller has dropped the web socket: ends it, unless it is ending in good order.
    package nonisolated func dropped() {
        if !isLeaving.load(ordering: .acquiring) { stream.close() }
    }

    // MARK: Reading

    /// The next message; `nil` after the end as planned.
    package func next() async throws(WebSocketError) -> WebSocketMessage? {
        // A call of `close` reads until the end, and keeps the messages.
        while isDraining, ending == nil, kept.isEmpty {
            await withCheckedContinuation { closers.append($0) }
        }
        if !kept.isEmpty {
            let message = kept.removeFirst()
            keptBytes -= message.count
            return message
        }
        if let ending { return try Self.result(of: ending) }
        guard !isReading else { throw .invalidUse("messages are read by two tasks at once") }
        return try await read()
    }

    private func read() async throws(WebSocketError) -> WebSocketMessage? {
        isReading = true
        defer {
            isReading = false
            wakeClosers()
        }
        while true {
            let event: WebSocketMachine.Event?
            let wasOpen = machine.isOpen
            do throws(WebSocketFault) {
                event = try machine.nextEvent()
            } catch {
                end(.failed(.violation(WebSocketClose(error.code, reason: error.message))))
                throw ended
            }
            if machine.hasControl { answer() }
            switch event {
            case .message(let message): return message
            case .closed(let close):
                peerClose = close
                end(close.isNormal || !wasOpen ? .closed(close) : .failed(.closed(close)))
            case nil: try await receive()
            }
            if let ending { return try Self.result(of: ending) }
        }
    }

    /// Reads once.
    private func receive() async throws(WebSocketError) {
        lastRead += 1
        isReadWaiting = true
        defer { isReadWaiting = false }
        do throws(TransportError) {
            let bytes = try await stream.read()
            guard ending == nil else { return }
            keepAlive?.bytesReceived()
            if let bytes {
                machine.bytesReceived(bytes)
            } else {
                end(.failed(.truncated))
            }
        } catch {
            guard ending == nil else { return }
            // A cancelled read consumes nothing, and the next one continues.
            if !error.isCancelled { end(.failed(.transport(error))) }
            throw .transport(error)
        }
    }

    private static func result(of ending: Ending) throws(WebSocketError) -> WebSocketMessage? {
        switch ending {
        case .closed: return nil
        case .failed(let error): throw error
        }
    }

    // MARK: Writing

    /// Sends a message, after those whose `send` was called before.
    package func send(_ message: WebSocketMessage) async throws(WebSocketError) {
        try await takeTurn()
        defer { passTurn() }
        guard machine.isOpen, ending == nil else { throw ended }
        var outgoing = machine.start(message)
        repeat {
            if !outgoing.isWhole, machine.hasControl { try await writeControl(mayClose: false) }
            let isFirst = outgoing.isWhole
            let frame = outgoing.nextFrame(mask: masks.next())
            do throws(TransportError) {
                try await stream.write(frame)
            } catch {
                machine.messageAbandoned()
                // Half a message cannot be taken back.
                if !(isFirst && outgoing.isDone) { stream.close() }
                throw ending == nil ? .transport(error) : ended
            }
        } while !outgoing.isDone
    }

    /// What a call after the end throws.
    private var ended: WebSocketError {
        switch ending {
        case .failed(let error): error
        case .closed(let close): .closed(close)
        case nil: .invalidUse("the closing handshake has begun")
        }
    }

    private func takeTurn() async throws(WebSocketError) {
        if turns.take() { return }
        guard turns.count < Turns.maxWaiting else {
            throw .invalidUse("more than \(Turns.maxWaiting) calls of send wait")
        }
        let id = turns.nextID()
        let hasTurn = await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                if Task.isCancelled { return waiter.resume(returning: false) }
                turns.wait(waiter, id: id)
            }
        } onCancel: {
            Task { await self.giveUpTurn(id) }
        }
        guard hasTurn else {
            throw .transport(
                TransportError(
                    .cancelled, phase: .send, message: "the send was cancelled before it began",
                    replay: .responseStarted))
        }
    }

    /// How many calls of `send` wait for their turn.
    package var waitingSends: Int { turns.count }

    private func giveUpTurn(_ id: UInt64) {
        turns.giveUp(id)?.resume(returning: false)
    }

    private func passTurn() {
        turns.pass()?.resume(returning: true)
    }

    /// Writes the control frames that are due; called with the turn.
    private func writeControl(mayClose: Bool) async throws(WebSocketError) {
        while let frame = machine.nextControl(mask: masks.next(), mayClose: mayClose) {
            do throws(TransportError) {
                try await stream.write(frame)
            } catch {
                throw ending == nil ? .transport(error) : ended
            }
        }
    }

    /// Has the control frames that are due written by a task; one such task runs at a time.
    private func answer() {
        guard !isAnswering else { return }
        isAnswering = true
        Task { await writeAnswers() }
    }

    private func writeAnswers() async {
        defer { isAnswering = false }
        do throws(WebSocketError) {
            try await takeTurn()
        } catch {
            return
        }
        defer { passTurn() }
        // What fails is reported by the reader.
        try? await writeControl(mayClose: true)
    }

    // MARK: Keeping alive

    /// When `tick()` is due; `nil` when never.
    package var nextTick: Duration? {
        guard ending == nil, let keepAlive else { return nil }
        return max(.zero, keepAlive.nextDeadline - time.now())
    }

    /// Pings the peer or ends the connection, when it is time.
    package func tick() {
        guard ending == nil else { return }
        switch keepAlive?.deadlineReached(now: time.now(), read: isReadWaiting ? lastRead : nil) {
        case .ping?:
            machine.sendPing()
            answer()
        case .giveUp?: abort(.pongMissing)
        case .none?, nil: break
        }
    }

    // MARK: Closing

    /// Performs the closing handshake; messages that no task reads are kept up to a bound.
    package func close(_ close: WebSocketClose) async throws(WebSocketError) {
        guard close.code.maySend || close.code == .noStatus && close.reason.isEmpty else {
            throw .invalidUse("a Close cannot name the code \(close.code)")
        }
        guard close.reason.utf8.count <= WebSocketClose.maxReason else {
            throw .invalidUse("the reason of a Close has more than 123 bytes")
        }
        guard ending == nil else { return }
        let timer = Task { [time, closeTimeout] in
            try await time.sleep(closeTimeout)
            abort(.closeTimeout)
        }
        defer { timer.cancel() }
        machine.startClosing(close)
        answer()
        await withTaskCancellationHandler {
            while ending == nil {
                if isReading {
                    await withCheckedContinuation { closers.append($0) }
                } else {
                    do throws(WebSocketError) {
                        try await drain()
                    } catch {
                        return
                    }
                }
            }
        } onCancel: {
            stream.close()
        }
        switch ending {
        case .closed?: break
        case .failed(let error)?: throw error
        case nil:
            throw .transport(
                TransportError(
                    .cancelled, phase: .body, message: "the closing handshake was cancelled",
                    replay: .responseStarted))
        }
    }

    /// Reads one message for a call of `close`.
    private func drain() async throws(WebSocketError) {
        isDraining = true
        defer { isDraining = false }
        guard let message = try await read(), message.count <= Self.maxKeptBytes - keptBytes else {
            return
        }
        kept.append(message)
        keptBytes += message.count
        wakeClosers()
    }

    private func abort(_ error: WebSocketError) {
        guard ending == nil else { return }
        ending = .failed(error)
        stream.close()
        wakeClosers()
    }

    private func end(_ ending: Ending) {
        guard self.ending == nil else { return }
        self.ending = ending
        isLeaving.store(true, ordering: .releasing)
        wakeClosers()
        Task { await leave() }
    }

    /// Writes what is due, ends our side, and waits for the peer's end, which comes first for a
    /// server (RFC 6455, section 7.1.1).
    private func leave() async {
        let timer = Task { [time, closeTimeout, stream] in
            try await time.sleep(closeTimeout)
            stream.close()
        }
        defer {
            timer.cancel()
            stream.close()
        }
        await writeAnswers()
        do throws(TransportError) {
            try await stream.finish()
            while try await stream.read() != nil {}
        } catch {
            // The connection has ended.
        }
    }

    private func wakeClosers() {
        let waiting = closers
        closers = []
        for closer in waiting { closer.resume() }
    }
}

extension WebSocketMessage {
    /// The bytes of the content.
    fileprivate var count: Int {
        switch self {
        case .text(let text): text.utf8.count
        case .binary(let bytes): bytes.count
        }
    }
}
