import ApusCore
import ApusHTTP2
import ApusSocket
import ApusWire
import HTTPTypes

/// The streams of one HTTP/2 connection: which exchange each of them carries, how its body goes
/// out, and what the session's events mean for it.
///
/// Confined to the connection's loop.
final class HTTP2Streams {
    /// One stream and what it still needs.
    private struct Stream {
        let exchange: Exchange
        /// Whether the peer had reported how many streams it takes: a refusal then means it.
        let isWithinLimit: Bool
        var upload = HTTP2Upload()
        /// What the stream has become, when it has left HTTP.
        var duplex: HTTP2Duplex?
    }

    /// Streams refused in a row, none answered between, before the connection takes no more.
    private static let maxRefusalsInRow = 2

    private let session: HTTP2Session
    private let loop: EventLoop
    /// Held strongly, so that an event needs no side table; let go when the connection has ended.
    private var connection: HTTP2LiveConnection?
    /// Every stream that is not closed on both sides; those whose exchange has ended keep their
    /// slot.
    @exclusivity(unchecked) private var streams: [HTTP2StreamID: Stream] = [:]
    /// Streams whose answer is complete while the last of their bodies is about to leave.
    @exclusivity(unchecked) private var finishing: Set<HTTP2StreamID> = []
    /// Extended CONNECTs that wait for the peer's SETTINGS; no more than there are leases.
    @exclusivity(unchecked) private var waiting: [Exchange] = []
    @exclusivity(unchecked) private var refusalsInRow = 0
    @exclusivity(unchecked) private var hasAnswered = false
    @exclusivity(unchecked) private var windowWatch: HTTP2WindowWatch
    /// How the connection ends, which its streams' errors show.
    @exclusivity(unchecked) private var endStory = HTTP2EndStory()

    init(_ session: HTTP2Session, _ tuning: EngineTuning.HTTP2, on loop: EventLoop) {
        self.session = session
        self.loop = loop
        windowWatch = HTTP2WindowWatch(limit: tuning.maxWindowWait)
    }

    /// Reports to this connection from now on.
    func attach(to connection: HTTP2LiveConnection) {
        self.connection = connection
    }

    // MARK: How the connection ends

    /// The peer has sent a GOAWAY.
    func goAwayReceived(_ goAway: HTTP2EndStory.GoAway) {
        endStory.goAway = goAway
    }

    /// The connection is about to end with this fault.
    func connectionEnds(_ kind: TransportError.Kind, _ message: String) {
        endStory.endsWith(kind, message)
    }

    /// The session ends the connection with this fault of the peer's.
    func connectionEnds(_ error: HTTP2Error) {
        endStory.endsWith(error)
    }

    /// The connection has ended, and the session reports what becomes of each stream.
    func connectionEnded(
        _ reason: CloseReason, _ kind: TransportError.Kind, _ message: String
    ) {
        let exchange = streams.first?.value.exchange ?? waiting.first
        let sign: ConnectionEnd.Sign? =
            reason == .localAddressLost ? .localAddressLost : kind == .timeout ? .silence : nil
        var end = exchange.flatMap { connectionEnd(of: $0, sign) }
        connection?.ended(&end)
        endStory.hasEnded(reason, kind, message, end)
    }

    /// How an exchange ends now; `nil` is by what the wire ended with.
    private func connectionEnd(
        of exchange: Exchange, _ sign: ConnectionEnd.Sign?
    ) -> ConnectionEnd? {
        connection?.connectionEnd(sign, of: exchange, goAway: endStory.goAway?.received)
    }

    /// Every stream has ended with the connection.
    func detach() {
        failWaiting()
        assert(streams.isEmpty, "the session forgot a stream")
        connection = nil
    }

    var isEmpty: Bool { streams.isEmpty }
    /// Whether some stream's body has to leave with the next flush, or is given up.
    var hasFinishing: Bool { !finishing.isEmpty }

    // MARK: Exchanges

    /// Opens a stream for an exchange, or keeps it until the peer's SETTINGS have come: they report
    /// whether it knows extended CONNECT.
    func add(_ exchange: Exchange) {
        if exchange.request.isExtendedConnect, !session.hasPeerSettings {
            waiting.append(exchange)
        } else {
            submit(exchange)
        }
    }

    private func submit(_ exchange: Exchange) {
        guard exchange.requestStarted() else {
            exchange.timers.stop(on: loop)
            connection?.slotFreed()
            return
        }
        let request = exchange.request
        let id: HTTP2StreamID
        do throws(HTTP2Error) {
            let isDuplex = request.isExtendedConnect
            id = try session.submit(
                request.head, hasBody: isDuplex || !request.body.isEmpty,
                length: isDuplex ? nil : request.body.length)
        } catch {
            if session.isDraining { connection?.drain(.exhausted) }
            exchange.timers.stop(on: loop)
            exchange.failed(
                TransportError.Kind(error), phase: .request, error.message, replay: .notSent)
            connection?.slotFreed()
            return
        }
        exchange.stream = id
        let stream = Stream(exchange: exchange, isWithinLimit: session.hasPeerSettings)
        streams[id] = stream
        if streams.count == 1 { connection?.streamsChanged(hasStreams: true) }
        do throws(HTTP2Upload.Failure) {
            try stream.upload.begin(exchange, on: id, session)
        } catch {
            failUpload(of: id, error)
        }
        // The last stream number was used.
        if session.isDraining { connection?.drain(.exhausted) }
        connection?.outputIsDue()
    }

    /// The peer's SETTINGS have come: what waited for them goes out, or is refused.
    func submitWaiting(takesStreams: () -> Bool) {
        let exchanges = waiting
        waiting = []
        for exchange in exchanges {
            guard takesStreams(), session.hasRoom, !exchange.hasEnded else {
                exchange.timers.stop(on: loop)
                connection?.slotFreed()
                fail(exchange, .notSent)
                continue
            }
            submit(exchange)
        }
    }

    /// What waited for the peer's SETTINGS was not sent.
    private func failWaiting() {
        let exchanges = waiting
        waiting = []
        for exchange in exchanges {
            exchange.timers.stop(on: loop)
            fail(exchange, .notSent)
        }
    }

    /// Fails an exchange with what its connection ends with.
    func fail(_ exchange: Exchange, _ failure: StreamFailure) {
        endStory.fail(exchange, failure, connectionEnd(of: exchange, .engine))
    }

    /// No caller waits for the exchange any more.
    func cancel(_ exchange: Exchange) {
        if withdraw(exchange) { return }
        if let id = exchange.stream, streams[id] != nil, !endStory.isOver { reset(id) }
    }

    /// Fails an exchange whose time is over; `false` when it is not here any more.
    func expire(_ exchange: Exchange, _ limit: TimeLimit) -> Bool {
        let isWithdrawn = withdraw(exchange)
        guard isWithdrawn || exchange.stream.map({ streams[$0] != nil }) == true else {
            return false
        }
        // What waits in the session for a slot, or for the socket, is taken back by the reset.
        let isSent = exchange.stream.map { session.isSent($0) } ?? false
        exchange.failed(
            limit, replay: isSent ? nil : .notSent, connectionEnd(of: exchange, .engine))
        if let id = exchange.stream { reset(id) }
        return true
    }

    /// How far a request has come: out of the session, where it waits for a slot or a window, then
    /// out of the socket.
    func output(of exchange: Exchange, on wire: Wire) -> ExchangeOutput {
        guard let id = exchange.stream, session.isSent(id), session.queuedBytes(on: id) == 0 else {
            return ExchangeOutput(taken: exchange.bytesSentSoFar, isBlocked: true)
        }
        return ExchangeOutput(of: wire)
    }

    /// Takes back an exchange that waits for SETTINGS; `false` when it does not.
    private func withdraw(_ exchange: Exchange) -> Bool {
        guard let index = waiting.firstIndex(where: { $0 === exchange }) else { return false }
        waiting.remove(at: index)
        exchange.timers.stop(on: loop)
        connection?.slotFreed()
        return true
    }

    /// RST_STREAM; the slot is free once the session reports `.closed`.
    private func reset(_ id: HTTP2StreamID, code: UInt32 = HTTP2ErrorCode.cancel) {
        stopUpload(of: id)
        session.reset(id, code: code)
        connection?.outputIsDue()
    }

    // MARK: Bodies on their way out

    /// A producer has something new.
    func uploadReady(_ exchange: Exchange) {
        if let id = exchange.stream, streams[id] != nil { advanceUpload(of: id) }
    }

    private func requestSent(on id: HTTP2StreamID) {
        guard let exchange = streams[id]?.exchange else { return }
        streams[id]?.upload.requestSent(exchange) { [weak connection, weak exchange] in
            if let connection, let exchange { connection.uploadReady(exchange) }
        }
    }

    private func advanceUpload(of id: HTTP2StreamID) {
        goOn(with: id) { (upload, exchange, session) throws(HTTP2Upload.Failure) in
            try upload.advance(exchange, on: id, session)
        }
    }

    private func bodyDrained(on id: HTTP2StreamID) {
        goOn(with: id) { (upload, exchange, session) throws(HTTP2Upload.Failure) in
            try upload.drained(exchange, on: id, session)
        }
    }

    /// Takes a step of an upload, and sends the trailers where it says so.
    ///
    /// The step works on a copy: it may end the life of what a caller gave, which may come back
    /// here.
    private func goOn(
        with id: HTTP2StreamID,
        _ step: (inout HTTP2Upload, Exchange, HTTP2Session) throws(HTTP2Upload.Failure) -> Bool
    ) {
        guard let stream = streams[id], !endStory.isOver else { return }
        var upload = stream.upload
        do throws(HTTP2Upload.Failure) {
            let isForTrailers = try step(&upload, stream.exchange, session)
            streams[id]?.upload = upload
            if isForTrailers {
                try HTTP2Upload.sendTrailers(of: stream.exchange, on: id, session)
            }
            connection?.outputIsDue()
        } catch {
            failUpload(of: id, error)
        }
    }

    /// Nothing more of the body is wanted; its producer, which may come back here, is stopped last.
    private func stopUpload(of id: HTTP2StreamID) {
        let pump = streams[id]?.upload.takePump()
        pump?.stop()
    }

    /// Counts what was framed of the bodies, and watches how long the others wait for the window.
    func countSentBodies() {
        while let sent = session.nextSentBody() {
            guard let stream = streams[sent.stream] else { continue }
            if let duplex = stream.duplex {
                duplex.sent(sent.count)
            } else {
                stream.upload.sent(sent.count, of: stream.exchange, on: sent.stream, session)
            }
        }
        let change = windowWatch.observe(isClosed: session.isSendWindowClosed, now: .now())
        if let change {
            let window = change == .congested ? session.peerStreamWindow : nil
            connection?.congestionChanged(window: window)
        }
    }

    private func failUpload(of id: HTTP2StreamID, _ failure: HTTP2Upload.Failure) {
        streams[id]?.exchange.failed(failure.kind, failure.message)
        reset(id)
    }

    /// What was to leave at once and did not, because others have used the window up, is given up.
    func giveUpUnfinished() {
        for id in finishing where !session.hasSentEnd(id) {
            reset(id, code: HTTP2ErrorCode.noError)
        }
        finishing = []
    }

    // MARK: Events

    /// When the bytes came whose events are handled.
    private var now: Deadline { session.now ?? .now() }

    /// Does what an event of a stream means; `false` when it is one of the connection's own.
    func handle(_ event: HTTP2Event) -> Bool {
        switch event {
        case .informational(let id, let response):
            streams[id]?.exchange.informationalReceived(response)
        case .head(let id, let response, _): headReceived(response, on: id)
        case .body(let id, let bytes):
            guard let stream = streams[id] else { break }
            if let duplex = stream.duplex {
                duplex.received(bytes)
            } else {
                _ = stream.exchange.bodyReceived(bytes, at: now)
                stream.exchange.wake()
            }
        case .end(let id, let trailers): responseEnded(on: id, trailers)
        case .failed(let id, let failure): failed(id, failure)
        case .closed(let id): closed(id)
        case .requestSent(let id): requestSent(on: id)
        case .bodyDrained(let id): bodyDrained(on: id)
        case .goAway, .settingsChanged, .pingAcknowledged: return false
        }
        return true
    }

    private func headReceived(_ response: HTTPResponse, on id: HTTP2StreamID) {
        guard let exchange = streams[id]?.exchange else { return }
        refusalsInRow = 0
        if exchange.request.isExtendedConnect, duplexOpened(response, on: id, exchange) { return }
        exchange.headReceived(response, at: now)
        exchange.wake()
    }

    private func responseEnded(on id: HTTP2StreamID, _ trailers: HTTPFields?) {
        guard let stream = streams[id] else { return }
        if let duplex = stream.duplex { return duplexEnded(duplex, on: id) }
        stream.exchange.timers.stop(on: loop)
        if !hasAnswered {
            hasAnswered = true
            connection?.firstAnswerEnded()
        }
        // The slot is free before the caller hears of the end: its next request finds it.
        let isClosed = !session.isOpen(id)
        if isClosed { closed(id) }
        stream.exchange.responseEnded(trailers: trailers, at: now)
        stream.exchange.wake()
        guard !isClosed else { return }
        // An answer that came before the upload was done ends the upload.
        stopUpload(of: id)
        if session.hasSentEnd(id) { return }
        guard session.canFinish(id) else { return reset(id, code: HTTP2ErrorCode.noError) }
        // A short rest leaves faster than a reset would, and some servers count resets as abuse.
        finishing.insert(id)
        connection?.outputIsDue()
    }

    private func failed(_ id: HTTP2StreamID, _ failure: StreamFailure) {
        guard let stream = streams[id] else { return }
        judge(failure, of: stream)
        // The slot is free before the exchange hears of its end and wants another.
        if !session.isOpen(id) { closed(id) }
        if let duplex = stream.duplex {
            let (kind, message) = endStory.explain(failure)
            duplex.failed(kind, message)
        } else {
            fail(stream.exchange, failure)
        }
    }

    /// A refusal, or a wish for HTTP/1.1, may mean the connection and not this stream alone.
    private func judge(_ failure: StreamFailure, of stream: Stream) {
        switch failure {
        case .refused where stream.isWithinLimit:
            refusalsInRow += 1
            if refusalsInRow >= HTTP2Streams.maxRefusalsInRow { connection?.drain(.goAway) }
        case .reset(code: HTTP2ErrorCode.http11Required): connection?.drain(.goAway)
        default: break
        }
        // Not closed: those that it still answers go on.
        if session.isLosingStreams { connection?.drain(.goAway) }
    }

    private func closed(_ id: HTTP2StreamID) {
        guard var stream = streams.removeValue(forKey: id) else { return }
        stream.upload.takePump()?.stop()
        stream.exchange.timers.stop(on: loop)
        if streams.isEmpty { connection?.streamsChanged(hasStreams: false) }
        connection?.slotFreed()
    }

    // MARK: Duplexes (RFC 8441)

    /// A 2xx makes a duplex of the stream; any other answer is a response like any other, and our
    /// side of the stream is over.
    ///
    /// - Returns: whether it is a duplex now.
    private func duplexOpened(
        _ response: HTTPResponse, on id: HTTP2StreamID, _ exchange: Exchange
    ) -> Bool {
        guard response.status.kind == .successful else {
            session.send(.empty, endOfBody: true, on: id)
            return false
        }
        exchange.timers.stop(on: loop)
        guard let connection else { return false }
        let duplex = HTTP2Duplex(id, of: connection, exchange)
        streams[id]?.duplex = duplex
        if exchange.upgraded(response, to: duplex) {
            exchange.wake()
        } else {
            reset(id)
        }
        return true
    }

    /// The peer's side of a duplex has ended; our own goes on.
    ///
    /// Where the stream has ended before our side did, the reason is reported next.
    private func duplexEnded(_ duplex: HTTP2Duplex, on id: HTTP2StreamID) {
        if !session.isOpen(id), duplex.isDone { closed(id) }
        duplex.ended()
    }

    /// Whether our side of a duplex was ended in good order.
    func hasFinished(_ id: HTTP2StreamID) -> Bool { streams[id]?.duplex?.hasFinished == true }

    /// The tasks of a duplex want no more of it.
    func closeDuplex(_ id: HTTP2StreamID) {
        if streams[id] != nil, !endStory.isOver { reset(id) }
    }
}
