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
    let story: ExchangeStory?
    /// The HTTP/2 stream that carries it; touched only on its connection's loop.
    @exclusivity(unchecked) var stream: HTTP2StreamID?
    /// What peers have answered to earlier tries; set before the exchange starts.
    @exclusivity(unchecked) package var amendments = Amendments()
    /// What its deadlines hang on; touched only on its connection's loop.
    @exclusivity(unchecked) var timers = ExchangeTimers()
    /// Brings the body of a producer or a file; `nil` without one.
    let pump: UploadPump?

    private let lock = Lock()
    // Guarded.
    @exclusivity(unchecked) private var waiter: UnsafeContinuation<Void, Never>?
    @exclusivity(unchecked) private var mailbox: ExchangeMailbox
    @exclusivity(unchecked) private var progress = ExchangeProgress()
    @exclusivity(unchecked) private var connection: (any LiveConnection)?
    /// What the body's producer threw.
    @exclusivity(unchecked) private var producerError: (any Error)?
    /// Whether the head is the caller's: there is no other try, and the exchange's end is its
    /// story's.
    @exclusivity(unchecked) private var isAccepted = false
    /// Whether nothing more of the body goes out in this try.
    @exclusivity(unchecked) private var isUploadOver = false
    @exclusivity(unchecked) private var upgradedTo: (any DuplexStream)?

    /// `started` is when the caller asked, and `leased` when the connection was there.
    ///
    /// Made in the caller's task, whose surroundings become those of the body's producer.
    package init(
        _ request: OutgoingRequest, over route: Route, on connection: any LiveConnection,
        started: Deadline, leased: Deadline, story: ExchangeStory?
    ) {
        self.request = request
        place = ExchangePlace(
            route: route, connection: connection.id.rawValue,
            address: connection.facts.remoteAddress, exchange: story?.number,
            metadata: request.metadata)
        timings = ExchangeTimings(started: started, leased: leased)
        self.story = story
        mailbox = ExchangeMailbox(
            maxBytes: request.limits.bodyBufferBytes, creditStep: connection.creditStep,
            start: leased)
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
            switch lock.withLock({ mailbox.takeHead() }) {
            case .head(let head): return head
            case .failed(let error): throw error
            case .nothing, .late, .chunk, .end, .secondReader: await wait()
            }
        }
    }

    /// Takes the next piece of the body, or its end; `nil` when it is not there yet, and
    /// `chunkAfterWaiting` is called next.
    ///
    /// Apart from waiting, which costs a switch of executor even where nothing is waited for.
    package func chunkAtHand() throws(TransportError) -> Arrival? {
        try take(hasWaited: false, until: nil)
    }

    /// Waits for the piece of the body that `chunkAtHand` has not found; `nil` at its end.
    package func chunkAfterWaiting() async throws(TransportError) -> Bytes? {
        while true {
            await wait()
            switch try take(hasWaited: true, until: nil) {
            case .bytes(let bytes): return bytes
            case .end: return nil
            case .nothing, nil: continue
            }
        }
    }

    /// Waits for the next piece no longer than this, and takes nothing else.
    package func nextChunk(within time: Duration) async throws(TransportError) -> Arrival {
        let deadline = Deadline.now().advanced(by: time)
        var hasWaited = false
        while true {
            if let arrival = try take(hasWaited: hasWaited, until: deadline) { return arrival }
            hasWaited = true
            armReadTimer()
            await wait()
        }
    }

    /// The trailers, once the body has been read to its end.
    package var trailers: HTTPFields? { lock.withLock { mailbox.trailers } }

    /// The informational responses so far, in order of arrival.
    package var informationalResponses: [HTTPResponse] { lock.withLock { mailbox.informational } }

    /// The head is what the caller gets: the request is not sent again.
    package func accept() {
        guard story != nil || request.holdsBody else { return }
        let isBodyOver = lock.withLock {
            isAccepted = true
            return isUploadOver || mailbox.isOver
        }
        if isBodyOver { letGoOfBody() }
        if let story { reportEnd(to: story) }
    }

    /// The consumer is gone: what is left of the response is not wanted.
    package func abandon() {
        end(with: .responseUnfinished, message: "the response was dropped")
    }

    /// The reader wants nothing more, not even what has been received: a read that waits, and each
    /// later one, throws `cancelled`.
    package func cancelBody() {
        let message = "the response was cancelled"
        end(with: .responseUnfinished, message: message)
        lock.withLock { mailbox.refuseRest(with: makeError(.cancelled, message)) }
    }

    /// The caller's task was cancelled.
    package func cancel() {
        end(with: .cancelled, message: "the request was cancelled")
    }

    private func end(with reason: CloseReason, message: String) {
        let (connection, isFirst) = lock.withLock { () -> ((any LiveConnection)?, Bool) in
            guard !mailbox.isOver, mailbox.end(.failed(makeError(.cancelled, message))) else {
                return (nil, false)
            }
            mailbox.discardBody()
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
                    guard !mailbox.isReady(now: .now()) else { return true }
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
            guard let connection, let deadline = mailbox.nextReadTimer() else { return nil }
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
            let (next, isLate) = mailbox.readTimerFired(now: now)
            guard isLate else { return (next, nil) }
            defer { unsafe self.waiter = nil }
            return unsafe (nil, self.waiter)
        }
        unsafe waiter?.resume()
        return next
    }

    /// Takes the next piece, or the end; `nil` when the task is to wait for it.
    ///
    /// - Parameter hasWaited: whether the task is the one that waits.
    private func take(
        hasWaited: Bool, until deadline: Deadline?
    ) throws(TransportError) -> Arrival? {
        let taken = lock.withLock {
            mailbox.takeChunk(
                hasWaited: hasWaited, until: deadline, now: .now(), instant: instant)
        }
        switch taken {
        case .chunk(let bytes, let credit):
            if credit > 0 { creditConnection(credit) }
            return .bytes(bytes)
        case .end: return .end
        case .late: return .nothing
        case .failed(let error): throw error
        case .secondReader:
            let rule = BodyReader.twoReaders
            throw error(.invalidRequest(rule), .body, rule.description)
        case .nothing, .head: return nil
        }
    }

    private func creditConnection(_ count: Int) {
        lock.withLock { connection }?.consumed(count, by: self)
    }
}

// MARK: - The connection's side

extension Exchange {
    /// The exchange goes out on this connection; `false` when it has ended before it began.
    package func begin(on connection: any LiveConnection, isReused: Bool) -> Bool {
        lock.withLock {
            guard !mailbox.isOver else { return false }
            self.connection = connection
            progress.isReused = isReused
            return true
        }
    }

    var hasEnded: Bool { lock.withLock { mailbox.isOver } }
    var isOnReusedConnection: Bool { lock.withLock { progress.isReused } }

    /// The request is about to leave; `false` when the exchange has ended since `begin`.
    ///
    /// In one step, so that no cancelled request leaves and is reported as not sent.
    package func requestStarted() -> Bool {
        lock.withLock {
            if !mailbox.isOver { progress.hasStarted = true }
            return !mailbox.isOver
        }
    }

    func bodyStarted() { lock.withLock { progress.hasBodyStarted = true } }
    /// A response has begun, though no head may be complete yet.
    func responseStarted() { lock.withLock { progress.hasResponse = true } }

    /// The connection has ended under the exchange, without a word on it.
    func connectionEnded() { lock.withLock { progress.hasConnectionEnded = true } }
    package var hasConnectionEnded: Bool { lock.withLock { progress.hasConnectionEnded } }

    /// The peer has answered HTTP/2 with HTTP/1, and so has acted on nothing.
    func peerSpokeHTTP1() { lock.withLock { progress.peerSpeaksHTTP1 = true } }

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
            mailbox.informationalReceived(response)
            return !mailbox.isOver
        }
        if isHeard { request.onInformational?(response) }
    }

    /// Hands over the final head; `wake()` resumes the task.
    func headReceived(_ response: HTTPResponse, at now: Deadline) {
        timings.headReceived(at: now)
        // First: a task that takes the head on another thread may end the exchange at once.
        if let story { story.responded(response) }
        lock.withLock {
            guard !mailbox.isOver else { return }
            mailbox.headReceived(response)
            progress.hasResponse = true
            progress.hasHead = true
        }
    }

    /// The response is a head alone, and the connection a raw duplex; `wake()` resumes the task.
    ///
    /// - Returns: `false` when no caller waits any more, and the connection closes the duplex.
    func upgraded(_ response: HTTPResponse, to duplex: any DuplexStream) -> Bool {
        let now = Deadline.now()
        timings.headReceived(at: now)
        timings.finished(at: now)
        if let story { story.responded(response) }
        let isWanted = lock.withLock {
            guard !mailbox.isOver else { return false }
            mailbox.headReceived(response)
            progress.hasResponse = true
            progress.hasHead = true
            upgradedTo = duplex
            connection = nil
            return mailbox.end(.ended(trailers: nil))
        }
        if isWanted, let story { reportEnd(to: story) }
        return isWanted
    }

    /// What the connection became; `nil` when the exchange was an ordinary one.
    var duplex: (any DuplexStream)? { lock.withLock { upgradedTo } }

    /// Hands over a piece of the body; `wake()` resumes the task.
    ///
    /// - Returns: whether to go on reading; when not, `LiveConnection.consumed` says when.
    func bodyReceived(_ bytes: Bytes, at now: Deadline) -> Bool {
        let (mayGoOn, isFirst) = lock.withLock {
            guard !mailbox.isOver else { return (true, false) }
            let isFirst = progress.bytesReceived == 0
            progress.bytesReceived += UInt64(bytes.count)
            return (mailbox.bodyReceived(bytes, now: hasFigures ? now : nil), isFirst)
        }
        if isFirst { bodyBegan(at: now) }
        return mayGoOn
    }

    /// The response is complete; `wake()` resumes the task.
    func responseEnded(trailers: HTTPFields?, at now: Deadline) {
        finish(.ended(trailers: trailers), at: now)
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
    ///
    /// - Parameter connectionEnd: how its connection ended, or the exchange on it.
    func failed(
        _ kind: TransportError.Kind, phase: TransportError.Phase? = nil, _ message: String,
        replay: TransportError.Replay? = nil, limit: TimeLimit? = nil,
        _ connectionEnd: @autoclosure () -> ConnectionEnd? = nil
    ) {
        guard !hasEnded else { return wake() }
        var error = lock.withLock { makeError(kind, message, phase: phase, replay: replay) }
        if let limit { error.timeLimit = limit }
        if let end = met(connectionEnd()) { error.connectionEnd = end }
        finish(.failed(error), at: .now())
        wake()
    }

    private func finish(_ outcome: ExchangeMailbox.Outcome, at now: Deadline) {
        timings.finished(at: now)
        let isFirst = lock.withLock {
            guard mailbox.end(outcome) else { return false }
            connection = nil
            return true
        }
        if isFirst { hasFinished() }
    }

    /// The outcome is there.
    private func hasFinished() {
        if request.holdsBody, lock.withLock({ isAccepted }) { letGoOfBody() }
        if let story { reportEnd(to: story) }
    }

    /// Reports how the exchange ended; before the head is accepted, whether that is the end is for
    /// `Engine.execute` to say, which may send the request again.
    private func reportEnd(to story: ExchangeStory) {
        let (outcome, progress, delivery) = lock.withLock {
            (isAccepted ? mailbox.outcome : nil, self.progress, mailbox.delivery)
        }
        guard let outcome else { return }
        story.reached(timings, delivery)
        switch outcome {
        case .ended: story.completed(sent: progress.bytesSent, received: progress.bytesReceived)
        case .failed(let error): story.failed(error)
        }
    }
}

// MARK: - Errors

extension Exchange {
    /// With the lock held: the error as of now, with phase and replay verdict from progress.
    private func makeError(
        _ kind: TransportError.Kind, _ message: String, phase: TransportError.Phase? = nil,
        replay: TransportError.Replay? = nil
    ) -> TransportError {
        // A body of unknown length has left when its connection says so.
        let isUploading =
            request.body.length.map { progress.bytesSent < $0 } ?? (timings.sentAfter == nil)
        var error = progress.error(
            kind, message, phase: phase, replay: replay, isUploading: isUploading)
        place.mark(&error)
        if kind == .producerFailed { error.producerError = producerError }
        return error
    }

    /// The error as of now.
    package func error(
        _ kind: TransportError.Kind, _ phase: TransportError.Phase, _ message: String
    ) -> TransportError {
        lock.withLock { makeError(kind, message, phase: phase) }
    }

    /// Adds where the exchange takes place and how far it has come to a layer's own error.
    package func addFacts(to error: inout TransportError) {
        place.mark(&error)
        lock.withLock { progress }.mark(&error)
    }

    /// The body's producer has thrown: an error of this kind carries its error.
    func producerFailed(_ error: any Error) {
        lock.withLock { producerError = error }
    }
}

// MARK: - Another try

extension Exchange {
    /// The peer's system acknowledges nothing any more.
    func connectionLost() {
        lock.withLock { progress.isConnectionLost = true }
    }

    package var isConnectionLost: Bool { lock.withLock { progress.isConnectionLost } }

    /// Whether the body can go out once more: it can be made again, or was not begun.
    package var mayRepeat: Bool {
        request.body.isReplayable || lock.withLock { !progress.hasBodyStarted }
    }
}

// MARK: - What the timers ask

extension Exchange {
    var isAwaitingHead: Bool { lock.withLock { !mailbox.isOver && !progress.hasHead } }
    /// Bytes of the request's body given to the connection.
    package var bytesSentSoFar: UInt64 { lock.withLock { progress.bytesSent } }

    /// Since when the body's next byte is awaited; `nil` while it is not.
    var bodyAwaitedSince: Deadline? { lock.withLock { mailbox.bodyAwaitedSince } }
    /// When the last byte of the body came, or from which on the next was awaited, if known.
    var lastSign: Deadline? { lock.withLock { mailbox.delivery.lastSign } }
    /// Whether a limit or an observer asks when the parts of the body come.
    private var hasFigures: Bool { story != nil || request.waitLimits?.watchesBody == true }
    /// The time for the figures: exact for a limit, coarse for an observer, `nil` without either.
    private var instant: Deadline? {
        request.waitLimits?.watchesBody == true ? .now() : story.map { _ in .coarseNow() }
    }

    /// How many body bytes are still owed of what the request declared; negative when there were
    /// more, `nil` when it declared nothing.
    var bytesOwed: Int64? {
        guard let length = request.body.length else { return nil }
        return lock.withLock { Int64(clamping: length) - Int64(clamping: progress.bytesSent) }
    }
}
