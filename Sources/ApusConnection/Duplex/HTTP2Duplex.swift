import ApusCore
import ApusHTTP2
import ApusSocket

/// A stream that has left HTTP: the result of a 2xx to an extended CONNECT (RFC 8441).
///
/// The connection puts in what arrives, on its loop, and gets what to send; tasks take out and
/// hand over from any thread. A slow reader holds its stream's window and delays no sibling.
///
/// Unchecked, because what is under "guarded" is touched only with the lock held.
final class HTTP2Duplex: DuplexStream, @unchecked Sendable {
    private let connection: HTTP2LiveConnection
    private let stream: HTTP2StreamID
    private let place: ExchangePlace
    /// Handed over and not sent; beyond, writers wait.
    private let maxQueued: Int

    private let lock = Lock()
    // Guarded.
    private var received = ChunkQueue()
    private var peerHasEnded = false
    private var failure: TransportError?
    private var isFinished = false
    private var reader: UnsafeContinuation<Void, Never>?
    private var queued = 0
    /// The writers that wait for room, oldest first, by number.
    private var writers: [(number: UInt64, continuation: UnsafeContinuation<Void, Never>)] = []
    private var lastWriter: UInt64 = 0
    private var bytesSent: UInt64 = 0
    private var bytesReceived: UInt64 = 0

    init(_ stream: HTTP2StreamID, of connection: HTTP2LiveConnection, _ exchange: Exchange) {
        self.connection = connection
        self.stream = stream
        place = exchange.place
        maxQueued = exchange.request.limits.uploadBufferBytes
    }

    // MARK: The tasks' side

    /// What a read finds.
    private enum Found {
        case bytes(Bytes)
        case end
        case failed(TransportError)
        case nothing
    }

    func read() async throws(TransportError) -> Bytes? {
        while true {
            switch lock.withLock({ take() }) {
            case .bytes(let bytes):
                connection.duplexTook(bytes.count, from: stream)
                return bytes
            case .end: return nil
            case .failed(let error): throw error
            case .nothing: break
            }
            if lock.withLock({ unsafe reader != nil }) {
                throw invalid("is read by two tasks at once")
            }
            await waitForInput()
            if Task.isCancelled, lock.withLock({ received.isEmpty && !isOver }) {
                throw error(.cancelled, .body, "the read was cancelled")
            }
        }
    }

    func write(_ bytes: Bytes) async throws(TransportError) {
        guard !bytes.isEmpty else { return }
        if Task.isCancelled { throw error(.cancelled, .send, "the write was cancelled") }
        try handOver(bytes, isEnd: false)
        connection.sendDuplex(bytes, isEnd: false, on: stream)
        await waitForRoom()
        if let failure = lock.withLock({ failure }) { throw failure }
        if Task.isCancelled, lock.withLock({ queued > maxQueued }) {
            throw error(.cancelled, .send, "the write was no longer waited for")
        }
    }

    func finish() async throws(TransportError) {
        guard !lock.withLock({ isFinished }) else { return }
        try handOver(.empty, isEnd: true)
        connection.sendDuplex(.empty, isEnd: true, on: stream)
    }

    func close() {
        let isFirst = lock.withLock {
            received.removeAll()
            defer {
                if failure == nil {
                    failure = makeError(.cancelled, .body, "the duplex was closed")
                }
            }
            return failure == nil
        }
        wakeAll()
        if isFirst { connection.closeDuplex(stream) }
    }

    private func take() -> Found {
        if let bytes = received.popFirst() { return .bytes(bytes) }
        if peerHasEnded { return .end }
        return failure.map(Found.failed) ?? .nothing
    }

    private var isOver: Bool { peerHasEnded || failure != nil }

    private func waitForInput() async {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                let isReady = lock.withLock {
                    guard received.isEmpty, !isOver, !Task.isCancelled else { return true }
                    unsafe reader = continuation
                    return false
                }
                if isReady { unsafe continuation.resume() }
            }
        } onCancel: {
            wakeReader()
        }
    }

    private func handOver(_ bytes: Bytes, isEnd: Bool) throws(TransportError) {
        let refusal = lock.withLock { () -> TransportError? in
            if let failure { return failure }
            guard !isFinished else { return makeInvalid("is written to after its end") }
            isFinished = isEnd
            queued += bytes.count
            return nil
        }
        if let refusal { throw refusal }
    }

    private func waitForRoom() async {
        let number = lock.withLock {
            lastWriter += 1
            return lastWriter
        }
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                let isReady = lock.withLock {
                    guard queued > maxQueued, failure == nil, !Task.isCancelled else { return true }
                    unsafe writers.append((number, continuation))
                    return false
                }
                if isReady { unsafe continuation.resume() }
            }
        } onCancel: {
            let writer = lock.withLock { () -> UnsafeContinuation<Void, Never>? in
                guard let index = unsafe writers.firstIndex(where: { unsafe $0.number == number })
                else { return nil }
                return unsafe writers.remove(at: index).continuation
            }
            unsafe writer?.resume()
        }
    }

    // MARK: The connection's side

    /// Bytes of the peer's, in order.
    func received(_ bytes: Bytes) {
        lock.withLock {
            guard failure == nil else { return }
            received.append(bytes)
            bytesReceived += UInt64(bytes.count)
        }
        wakeReader()
    }

    /// Whether our side was ended, though perhaps not all of it has left.
    var hasFinished: Bool { lock.withLock { isFinished } }

    /// Whether our side was ended and all of it has left.
    var isDone: Bool { lock.withLock { isFinished && queued == 0 } }

    /// The peer has ended its side.
    func ended() {
        lock.withLock { peerHasEnded = true }
        wakeReader()
    }

    /// So many bytes have left.
    func sent(_ count: Int) {
        let freed = lock.withLock { () -> [UnsafeContinuation<Void, Never>] in
            queued -= count
            bytesSent += UInt64(count)
            guard queued <= maxQueued else { return [] }
            defer { unsafe writers = [] }
            return unsafe writers.map { unsafe $0.continuation }
        }
        for writer in unsafe freed { unsafe writer.resume() }
    }

    /// The stream was reset, or its connection has ended.
    func failed(_ kind: TransportError.Kind, _ message: String) {
        lock.withLock {
            if failure == nil { failure = makeError(kind, .body, message) }
        }
        wakeAll()
    }

    private func wakeReader() {
        let waiting = lock.withLock {
            defer { unsafe reader = nil }
            return unsafe reader
        }
        unsafe waiting?.resume()
    }

    private func wakeAll() {
        wakeReader()
        let waiting = lock.withLock { () -> [UnsafeContinuation<Void, Never>] in
            defer { unsafe writers = [] }
            return unsafe writers.map { unsafe $0.continuation }
        }
        for writer in unsafe waiting { unsafe writer.resume() }
    }

    // MARK: Errors

    private func invalid(_ reason: String) -> TransportError {
        lock.withLock { makeInvalid(reason) }
    }

    private func makeInvalid(_ reason: String) -> TransportError {
        let invalid = InvalidRequest(field: "duplex", reason: reason)
        return makeError(.invalidRequest(invalid), .send, invalid.description)
    }

    private func error(
        _ kind: TransportError.Kind, _ phase: TransportError.Phase, _ message: String
    ) -> TransportError {
        lock.withLock { makeError(kind, phase, message) }
    }

    /// With the lock held.
    private func makeError(
        _ kind: TransportError.Kind, _ phase: TransportError.Phase, _ message: String
    ) -> TransportError {
        var error = TransportError(kind, phase: phase, message: message, replay: .responseStarted)
        place.mark(&error)
        error.bytesSent = bytesSent
        error.bytesReceived = bytesReceived
        return error
    }
}
