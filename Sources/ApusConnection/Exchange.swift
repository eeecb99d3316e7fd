package import ApusCore
import ApusHTTP2
import ApusSocket
import ApusWire
package import HTTPTypes

/// One request and its response, between the connection that carries it and the task that waits.
///
/// The connection, on its loop, puts in what arrives: head, body, end or error. The task takes out,
/// from any thread. When the task is slow the mailbox says so and the connection stops reading.
///
/// Unchecked, because what is under "guarded" is touched only with the lock held, and the rest
/// never changes.
package final class Exchange: @unchecked Sendable {
    package let request: OutgoingRequest
    /// Where it takes place, for errors.
    package let place: ExchangePlace
    package let timings: ExchangeTimings
    /// Hears of head and end; `nil` without an observer.
    private let story: ExchangeStory?
    /// The HTTP/2 stream that carries it; touched only on its connection's loop.
    var stream: HTTP2StreamID?
    /// What peers have answered to earlier tries; set before the exchange starts.
    package var amendments = Amendments()
    /// What its deadlines hang on; touched only on its connection's loop.
    var timers = ExchangeTimers()
    /// Brings the body of a producer or a file; `nil` without one.
    let pump: UploadPump?

    let lock = Lock()
    // Guarded.
    private var waiter: UnsafeContinuation<Void, Never>?
    private var reader = BodyReader()
    private var head: HTTPResponse?
    var chunks = ChunkQueue()
    /// Bytes taken that were not reported to the connection yet.
    private var uncredited = 0
    var isPaused = false
    var outcome: Outcome?
    private var connection: (any LiveConnection)?
    /// What the body's producer threw.
    var producerError: (any Error)?
    var progress = Progress()
    /// Whether the head is the caller's: there is no other try, and the exchange's end is its
    /// story's.
    private var isAccepted = false
    /// Whether nothing more of the body goes out in this try.
    private var isUploadOver = false
    private var informational: [HTTPResponse] = []
    private var upgradedTo: (any DuplexStream)?
    /// Judges `readIdleTimeout`; `nil` without one.
    var silence: SilenceWatch?

    /// How an exchange ended.
    enum Outcome {
        case ended(trailers: HTTPFields?)
        case failed(TransportError)
    }

    /// How far an exchange has come: what an error reports.
    struct Progress: Sendable {
        var bytesSent: UInt64 = 0
        var bytesReceived: UInt64 = 0
        var isReused = false
        /// Whether any byte of the request may have left.
        var hasStarted = false
        /// Whether the body has begun to go out, or its producer to run.
        var hasBodyStarted = false
        /// Whether any byte of a response has come.
        var hasResponse = false
        /// Whether the final head has come.
        var hasHead = false
        /// Whether the connection ended because the peer's system acknowledged nothing any more.
        var isConnectionLost = false
        /// Whether the connection has ended under it, without a word on which requests were not
        /// acted on.
        var hasConnectionEnded = false
    }

    /// What the task took out.
    private enum Taken {
        case head(HTTPResponse)
        case chunk(Bytes, credit: Int)
        case end
        case failed(TransportError)
        case nothing
        /// Nothing, and the read's deadline is over.
        case late
    }

    /// What a read with a deadline finds.
    package enum Arrival: Sendable {
        case bytes(Bytes)
        case end
        /// Neither has come in time.
        case nothing
    }

    /// The connection is there as of now; `started` is when the caller asked.
    ///
    /// Made in the caller's task, whose surroundings become those of the body's producer.
    package init(
        _ request: OutgoingRequest, over route: Route, on connection: any LiveConnection,
        started: Deadline, story: ExchangeStory?
    ) {
        self.request = request
        place = ExchangePlace(
            route: route, connection: connection.id.rawValue,
            address: connection.facts.remoteAddress, exchange: story?.number)
        timings = ExchangeTimings(started: started, leased: .now())
        self.story = story
        silence = request.readIdleTimeout.map { SilenceWatch(timeout: $0) }
        pump = request.makePump()
    }

    /// A producer that was never wanted does not wait on.
    deinit {
        pump?.stop()
    }

    // MARK: The task's side

    /// Waits for the final head.
    package func nextHead() async throws(TransportError) -> HTTPResponse {
        while true {
            switch lock.withLock({ takeHead() }) {
            case .head(let head): return head
            case .failed(let error): throw error
            case .nothing, .late, .chunk, .end: await wait()
            }
        }
    }

    /// Waits for the next piece of the body; `nil` at its end.
    package func nextChunk() async throws(TransportError) -> Bytes? {
        var hasWaited = false
        while true {
            switch lock.withLock({ takeChunk(hasWaited: hasWaited) }) {
            case .chunk(let bytes, let credit):
                if credit > 0 { creditConnection(credit) }
                return bytes
            case .end: return nil
            case .failed(let error): throw error
            case .nothing, .late, .head:
                hasWaited = true
                await wait()
            }
        }
    }

    /// Waits for the next piece no longer than this, and takes nothing else.
    package func nextChunk(within time: Duration) async throws(TransportError) -> Arrival {
        let deadline = Deadline.now().advanced(by: time)
        var hasWaited = false
        while true {
            switch lock.withLock({ takeChunk(hasWaited: hasWaited, until: deadline) }) {
            case .chunk(let bytes, let credit):
                if credit > 0 { creditConnection(credit) }
                return .bytes(bytes)
            case .end: return .end
            case .late: return .nothing
            case .failed(let error): throw error
            case .nothing, .head:
                hasWaited = true
                armReadTimer()
                await wait()
            }
        }
    }

    /// The trailers, once the body has been read to its end.
    package var trailers: HTTPFields? {
        lock.withLock {
            guard case .ended(let trailers) = outcome, chunks.isEmpty else { return nil }
            return trailers
        }
    }

    /// The informational responses so far, in order of arrival.
    package var informationalResponses: [HTTPResponse] { lock.withLock { informational } }

    /// The head is what the caller gets: the request is not sent again.
    package func accept() {
        guard story != nil || request.holdsBody else { return }
        let isBodyOver = lock.withLock {
            isAccepted = true
            return isUploadOver || outcome != nil
        }
        if isBodyOver { letGoOfBody() }
        if let story { tellEnd(to: story) }
    }

    /// The consumer is gone: what is left of the response is not wanted.
    package func abandon() {
        end(with: .responseUnfinished, message: "the response was dropped")
    }

    /// The caller's task was cancelled.
    func cancel() {
        end(with: .cancelled, message: "the request was cancelled")
    }

    private func end(with reason: CloseReason, message: String) {
        let (connection, isFirst) = lock.withLock { () -> ((any LiveConnection)?, Bool) in
            guard outcome == nil else { return (nil, false) }
            outcome = .failed(makeError(.cancelled, message))
            chunks.removeAll()
            defer { self.connection = nil }
            return (self.connection, true)
        }
        if isFirst { hasFinished() }
        wake()
        connection?.cancel(self, reason: reason)
    }

    private func wait() async {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                let isReady = lock.withLock {
                    guard outcome == nil, head == nil, chunks.isEmpty, !reader.isLate(.now())
                    else { return true }
                    unsafe waiter = continuation
                    return false
                }
                if isReady { unsafe continuation.resume() }
            }
        } onCancel: {
            cancel()
        }
    }

    /// Nothing of the request's body is needed any more.
    private func letGoOfBody() {
        request.letGoOfBody()
        pump?.stopUnlessStarted()
    }

    /// Has the loop look after a read with a deadline, unless it will look early enough anyway.
    private func armReadTimer() {
        let timer = lock.withLock { () -> (deadline: Deadline, loop: EventLoop)? in
            guard let connection, let deadline = reader.nextTimer() else { return nil }
            return (deadline, connection.loop)
        }
        if let timer { setReadTimer(at: timer.deadline, on: timer.loop) }
    }

    /// The timer of reads has run out: a read that is late ends.
    ///
    /// - Returns: when to look again; `nil` when no read waits.
    func readTimerFired(now: Deadline) -> Deadline? {
        let (next, waiter) = lock.withLock {
            () -> (Deadline?, UnsafeContinuation<Void, Never>?) in
            let next = reader.timerFired(now: now)
            guard next == nil, reader.isLate(now) else { return (next, nil) }
            defer { unsafe self.waiter = nil }
            return unsafe (nil, self.waiter)
        }
        unsafe waiter?.resume()
        return next
    }

    private func takeHead() -> Taken {
        if let head {
            self.head = nil
            return .head(head)
        }
        if case .failed(let error) = outcome { return .failed(error) }
        return .nothing
    }

    /// Takes the next piece for a task that reads; `hasWaited` once it is the one that waits.
    private func takeChunk(hasWaited: Bool, until deadline: Deadline? = nil) -> Taken {
        guard hasWaited || !reader.isWaiting else {
            let rule = BodyReader.twoReaders
            return .failed(makeError(.invalidRequest(rule), rule.description, phase: .body))
        }
        let taken = takeChunk()
        guard case .nothing = taken else {
            reader.tookSomething()
            return taken
        }
        return reader.mayWait(until: deadline, now: .now()) ? .nothing : .late
    }

    private func takeChunk() -> Taken {
        if let chunk = chunks.popFirst() {
            if chunks.isEmpty { silence?.signOfLife(now: .now()) }
            uncredited += chunk.count
            let isDue = chunks.isEmpty || uncredited >= request.limits.bodyBufferBytes / 4
            guard outcome == nil, isDue, isPaused || connection?.creditsConsumption == true else {
                return .chunk(chunk, credit: 0)
            }
            defer {
                uncredited = 0
                isPaused = false
            }
            return .chunk(chunk, credit: uncredited)
        }
        switch outcome {
        case .ended: return .end
        case .failed(let error): return .failed(error)
        case nil: return .nothing
        }
    }

    private func creditConnection(_ count: Int) {
        lock.withLock { connection }?.consumed(count, by: self)
    }
}

// MARK: - The connection's side

extension Exchange {
    /// The exchange goes out on this connection; `false` when it has ended before it began.
    func begin(on connection: any LiveConnection, isReused: Bool) -> Bool {
        lock.withLock {
            guard outcome == nil else { return false }
            self.connection = connection
            progress.isReused = isReused
            return true
        }
    }

    var hasEnded: Bool { lock.withLock { outcome != nil } }
    var isOnReusedConnection: Bool { lock.withLock { progress.isReused } }

    func requestStarted() {
        lock.withLock { progress.hasStarted = true }
    }

    func bodyStarted() {
        lock.withLock { progress.hasBodyStarted = true }
    }

    /// A response has begun, though no head may be complete yet.
    func responseStarted() {
        lock.withLock { progress.hasResponse = true }
    }

    /// The connection has ended under the exchange, without a word on it.
    func connectionEnded() {
        lock.withLock { progress.hasConnectionEnded = true }
    }

    /// Whether the connection has ended under the exchange, without a word on it.
    package var hasConnectionEnded: Bool { lock.withLock { progress.hasConnectionEnded } }

    /// The request has gone out whole.
    func requestSent() {
        timings.sent()
        uploadEnded()
    }

    /// Nothing more of the body goes out in this try.
    func uploadEnded() {
        guard request.holdsBody else { return }
        let isBodyOver = lock.withLock {
            isUploadOver = true
            return isAccepted
        }
        if isBodyOver { letGoOfBody() }
    }

    func bodySent(_ count: Int) {
        lock.withLock { progress.bytesSent += UInt64(count) }
    }

    func informationalReceived(_ response: HTTPResponse) {
        let isHeard = lock.withLock {
            progress.hasResponse = true
            informational.append(response)
            return outcome == nil
        }
        if isHeard { request.onInformational?(response) }
    }

    /// Hands over the final head; `wake()` resumes the task.
    func headReceived(_ response: HTTPResponse) {
        lock.withLock {
            guard outcome == nil else { return }
            head = response
            progress.hasResponse = true
            progress.hasHead = true
            silence?.signOfLife(now: .now())
        }
        timings.headReceived()
        if let story { story.responded(response.status.code) }
    }

    /// The response is a head alone, and the connection a raw duplex; `wake()` resumes the task.
    ///
    /// - Returns: `false` when no caller waits any more, and the connection closes the duplex.
    func upgraded(_ response: HTTPResponse, to duplex: any DuplexStream) -> Bool {
        timings.headReceived()
        timings.finished()
        let isWanted = lock.withLock {
            guard outcome == nil else { return false }
            head = response
            progress.hasResponse = true
            progress.hasHead = true
            upgradedTo = duplex
            outcome = .ended(trailers: nil)
            connection = nil
            return true
        }
        if isWanted, let story {
            story.responded(response.status.code)
            tellEnd(to: story)
        }
        return isWanted
    }

    /// What the connection became; `nil` when the exchange was an ordinary one.
    var duplex: (any DuplexStream)? { lock.withLock { upgradedTo } }

    /// Hands over a piece of the body; `wake()` resumes the task.
    ///
    /// - Returns: whether to go on reading; when not, `LiveConnection.consumed` says when.
    func bodyReceived(_ bytes: Bytes) -> Bool {
        lock.withLock {
            guard outcome == nil else { return true }
            chunks.append(bytes)
            silence?.signOfLife(now: .now())
            progress.bytesReceived += UInt64(bytes.count)
            if chunks.byteCount >= request.limits.bodyBufferBytes { isPaused = true }
            return !isPaused
        }
    }

    /// The response is complete; `wake()` resumes the task.
    func responseEnded(trailers: HTTPFields?) {
        finish(.ended(trailers: trailers))
    }

    /// Resumes the task if it waits.
    ///
    /// Apart from handing over, so that a connection is free again before its caller hears of it.
    func wake() {
        let waiter = lock.withLock {
            defer { unsafe self.waiter = nil }
            return unsafe self.waiter
        }
        unsafe waiter?.resume()
    }

    /// The exchange failed; what was received before stays to be taken first.
    func failed(
        _ kind: TransportError.Kind, phase: TransportError.Phase? = nil, _ message: String,
        replay: TransportError.Replay? = nil
    ) {
        let error = lock.withLock {
            makeError(kind, message, phase: phase, replay: replay)
        }
        finish(.failed(error))
        wake()
    }

    private func finish(_ end: Outcome) {
        timings.finished()
        let isFirst = lock.withLock {
            guard outcome == nil else { return false }
            outcome = end
            connection = nil
            return true
        }
        if isFirst { hasFinished() }
    }

    /// The outcome is there.
    private func hasFinished() {
        if request.holdsBody, lock.withLock({ isAccepted }) { letGoOfBody() }
        if let story { tellEnd(to: story) }
    }

    /// Tells how the exchange ended; before the head is accepted, whether that is the end is for
    /// `Engine.execute` to say, which may send the request again.
    private func tellEnd(to story: ExchangeStory) {
        let (outcome, progress) = lock.withLock { (isAccepted ? self.outcome : nil, self.progress) }
        switch outcome {
        case .ended: story.completed(sent: progress.bytesSent, received: progress.bytesReceived)
        case .failed(let error): story.failed(error)
        case nil: break
        }
    }
}
