import ApusCore
import ApusSocket
import ApusWire

/// Pieces read in a row before others on the loop have their turn.
private let maxReadsInRow = 16

/// A connection that has left HTTP, on its loop: an upgraded one, or a tunnel.
///
/// It reads from the socket only when a caller wants to read, so a slow reader stops the peer and
/// at most one read waits here. What is written goes out in the order of the calls.
actor WireDuplex: DuplexStream, WireOwner {
    /// A write of which something is left, or the end of our side.
    private struct Write {
        let id: UInt64
        /// What the wire has not taken yet.
        var rest: Bytes
        /// Nothing follows it; `rest` is empty.
        let isEnd: Bool
        /// Whether the wire may have taken some of it.
        var hasBegun = false
        /// `nil` when its task has stopped waiting: what has begun goes out all the same.
        var waiter: UnsafeContinuation<TransportError?, Never>?
    }

    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let wire: Wire
    private let place: ExchangePlace
    /// Hears of the end, once; `nil` afterwards.
    private var ended: (@Sendable (CloseReason) -> Void)?
    /// Why nothing can be read any more, once everything received was taken.
    private var failure: TransportError?
    /// Why nothing can be written any more.
    private var sendFailure: TransportError?

    /// What the last read gave and no caller has taken.
    private var received = ChunkQueue()
    private var peerHasEnded = false
    private var reader: UnsafeContinuation<Void, Never>?
    private var readsInRow = 0

    /// In the order of the calls; the first is on its way.
    private var writes: [Write] = []
    private var lastWrite: UInt64 = 0
    /// The last write that went out whole.
    private var lastDone: UInt64 = 0
    /// The end of our side was asked for.
    private var isEnding = false
    /// The end of our side has been said.
    private var hasEnded = false

    private var bytesSent: UInt64 = 0
    private var bytesReceived: UInt64 = 0

    /// Bytes that are in the wire already are read first.
    ///
    /// - Parameter ended: called on the loop when both sides are over, or the connection is.
    init(
        _ wire: Wire, at place: ExchangePlace, ended: @escaping @Sendable (CloseReason) -> Void
    ) {
        self.wire = wire
        self.place = place
        self.ended = ended
        loop = wire.loop
    }

    /// Takes over the wire; called once, on the loop.
    func attach() {
        wire.handOver(to: self)
    }

    // MARK: From any thread

    nonisolated func close() {
        close(.upgraded, .cancelled)
    }

    /// Ends both sides for a reason that is not the caller's.
    nonisolated func close(_ reason: CloseReason, _ kind: TransportError.Kind) {
        onLoop(loop) { duplex in
            duplex.received.removeAll()
            duplex.end(reason, duplex.error(kind, .body, "the duplex was closed"))
        }
    }

    nonisolated func wireReadable() {
        assumeIsolated { duplex in
            duplex.wakeReader()
            // The news may be a reset, which ends the writing too.
            duplex.sendOn()
        }
    }

    nonisolated func wireWritable() {
        assumeIsolated { $0.sendOn() }
    }

    // MARK: Reading

    func read() async throws(TransportError) -> Bytes? {
        while true {
            if let bytes = received.popFirst() { return bytes }
            if peerHasEnded { return nil }
            if let failure { throw failure }
            guard reader == nil else {
                throw error(.invalidRequest(.twoReaders), .body, InvalidRequest.twoReaders.reason)
            }
            if fill() {
                readsInRow += 1
                guard readsInRow >= maxReadsInRow else { continue }
                readsInRow = 0
                await Task.yield()
            } else {
                readsInRow = 0
                await waitForInput()
                if received.isEmpty, Task.isCancelled {
                    throw error(.cancelled, .body, "the read was cancelled")
                }
            }
        }
    }

    /// Reads once; `false` when there is nothing to read now.
    private func fill() -> Bool {
        // After sending has failed nothing more can come, so all that came is read.
        guard wire.mayHaveInput || wire.hasSendFailed else { return false }
        do throws(WireError) {
            switch try wire.read({ take($0, in: $1) }) {
            case .progress: return true
            case .wouldBlock:
                guard let fault = wire.sendError else { return false }
                end(.transportError, error(fault.explained.kind, .body, fault.explained.message))
            case .end:
                // As in HTTP, an end after a reset proves nothing.
                if let fault = wire.sendError {
                    end(
                        .transportError, error(fault.explained.kind, .body, fault.explained.message)
                    )
                } else {
                    peerHasEnded = true
                    endIfBothHave()
                }
            }
        } catch {
            let (kind, message) = error.explained
            end(
                kind == .truncated ? .peerClosed : .transportError,
                self.error(kind, .body, message))
        }
        return true
    }

    private func take(_ bytes: RawSpan, in memory: Bytes?) {
        guard !bytes.isEmpty else { return }
        received.append(Bytes(0..<bytes.byteCount, of: bytes, in: memory))
        bytesReceived += UInt64(bytes.byteCount)
    }

    private func waitForInput() async {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                // Others had their turn on the loop since the last look; what comes from here on
                // comes after this, through the loop.
                guard unsafe reader == nil, !hasNews, !Task.isCancelled else {
                    return unsafe continuation.resume()
                }
                unsafe reader = continuation
            }
        } onCancel: {
            onLoop(loop) { $0.wakeReader() }
        }
    }

    /// Whether a read would not have to wait.
    private var hasNews: Bool {
        !received.isEmpty || peerHasEnded || failure != nil || wire.mayHaveInput
            || wire.hasSendFailed
    }

    private func wakeReader() {
        let waiting = unsafe reader
        unsafe reader = nil
        unsafe waiting?.resume()
    }

    // MARK: Writing

    func write(_ bytes: Bytes) async throws(TransportError) {
        if bytes.isEmpty { return }
        guard !isEnding else {
            throw error(.invalidRequest(.writeAfterEnd), .send, InvalidRequest.writeAfterEnd.reason)
        }
        try await enqueue(bytes, isEnd: false)
    }

    func finish() async throws(TransportError) {
        guard !isEnding else { return }
        try await enqueue(.empty, isEnd: true)
    }

    /// Takes its turn after the earlier writes, and waits until it is done.
    private func enqueue(_ bytes: Bytes, isEnd: Bool) async throws(TransportError) {
        if let failure = failure ?? sendFailure { throw failure }
        guard !Task.isCancelled else {
            throw error(.cancelled, .send, "the write was cancelled before it began")
        }
        if isEnd { isEnding = true }
        lastWrite += 1
        let id = lastWrite
        writes.append(Write(id: id, rest: bytes, isEnd: isEnd))
        sendOn()
        if lastDone >= id { return }
        if let failure = sendFailure ?? failure { throw failure }
        let failure: TransportError? = await withTaskCancellationHandler {
            await withUnsafeContinuation {
                (continuation: UnsafeContinuation<TransportError?, Never>) in
                // Its turn may have come, or the end, while others were on the loop.
                guard let index = writes.firstIndex(where: { $0.id == id }) else {
                    let cause = lastDone >= id ? nil : sendFailure ?? self.failure
                    unsafe continuation.resume(returning: cause)
                    return
                }
                unsafe writes[index].waiter = continuation
                if Task.isCancelled { giveUp(write: id) }
            }
        } onCancel: {
            onLoop(loop) { $0.giveUp(write: id) }
        }
        if let failure { throw failure }
    }

    /// Its task waits no longer; a write that has not begun is taken back.
    private func giveUp(write id: UInt64) {
        guard let index = writes.firstIndex(where: { $0.id == id }),
            let waiter = unsafe writes[index].waiter
        else { return }
        unsafe writes[index].waiter = nil
        let isBegun = writes[index].hasBegun || writes[index].isEnd
        if !isBegun { writes.remove(at: index) }
        let what = isBegun ? "no longer waited for" : "cancelled before it began"
        unsafe waiter.resume(returning: error(.cancelled, .send, "the write was \(what)"))
    }

    /// Hands over as much as the wire takes, and others on the loop can wait for, and resumes the
    /// writes that are done.
    private func sendOn() {
        let end = wire.sentCount + Wire.maxSentInRow
        while let first = writes.first, wire.isWritable {
            guard wire.sentCount < end else {
                wire.writeLater()
                break
            }
            if first.isEnd {
                wire.endSending()
                hasEnded = true
            } else if !first.rest.isEmpty {
                let count = wire.send(RawSpan(), [first.rest], until: end)
                bytesSent += UInt64(count)
                writes[0].rest = first.rest.dropFirst(count)
                writes[0].hasBegun = true
                continue
            }
            writes.removeFirst()
            lastDone = first.id
            unsafe first.waiter?.resume(returning: nil)
        }
        if let fault = wire.sendError, sendFailure == nil {
            let failure = error(fault.explained.kind, .send, fault.explained.message)
            sendFailure = failure
            failWrites(failure)
            wakeReader()
        }
        endIfBothHave()
    }

    private func failWrites(_ failure: TransportError) {
        let failed = writes
        writes = []
        for write in failed { unsafe write.waiter?.resume(returning: failure) }
    }

    // MARK: The end

    private func endIfBothHave() {
        guard peerHasEnded, hasEnded, wire.isWritable || wire.hasSendFailed else { return }
        end(.upgraded, error(.truncated, .send, "both sides have ended"))
    }

    private func end(_ reason: CloseReason, _ failure: TransportError) {
        guard let ended else { return }
        self.ended = nil
        self.failure = failure
        wire.close()
        failWrites(failure)
        wakeReader()
        ended(reason)
    }

    private func error(
        _ kind: TransportError.Kind, _ phase: TransportError.Phase, _ message: String
    ) -> TransportError {
        var error = TransportError(
            kind, phase: phase, message: message, replay: .responseStarted)
        place.mark(&error)
        error.bytesSent = bytesSent
        error.bytesReceived = bytesReceived
        return error
    }
}

extension WireDuplex {
    /// Runs `body` isolated: at once when the caller is on the loop, else a little later.
    private nonisolated func onLoop(
        _ loop: EventLoop, _ body: @escaping @Sendable (isolated WireDuplex) -> Void
    ) {
        if loop.isCurrent {
            assumeIsolated(body)
        } else {
            loop.execute { self.assumeIsolated(body) }
        }
    }
}

extension InvalidRequest {
    fileprivate static let twoReaders = InvalidRequest(
        field: "duplex", reason: "is read by two tasks at once")
    fileprivate static let writeAfterEnd = InvalidRequest(
        field: "duplex", reason: "is written to after its end")
}
